/**
 * How fast a follower that was away copies what it has missed: a broker is killed, the others take
 * records in, it is started again. Its speed is that of its files on the disk, from their first
 * growth until nearly all is there, so its start is not in it.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { WeirBrokers } from '../support/weir-brokers.ts';
import { Cluster, quiet } from './clusters.ts';
import { cpuSeconds, type Figures, warmMemory } from './measure.ts';
import { load } from './servers.ts';

const BYTES = 1.5e9;
const PARTITIONS = 6;
const BATCH_BYTES = 64 * 1024;
const POLL_MS = 10;
const DEADLINE_MS = 60_000;

/** Bytes of the topic's segments below a folder. */
function bytesOf(folder: string, topic: string): number {
  let bytes = 0;
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const below = path.join(folder, entry.name);
    if (!entry.name.startsWith(`${topic}-`)) {
      bytes += bytesOf(below, topic);
      continue;
    }
    for (const file of fs.readdirSync(below)) {
      if (file.endsWith('.log')) bytes += fs.statSync(path.join(below, file)).size;
    }
  }
  return bytes;
}

export async function catchUp(): Promise<Figures> {
  const brokers = await WeirBrokers.start({ brokers: 3, settings: quiet });
  const cluster = new Cluster('Weir', brokers.bootstrap, brokers.brokers, () => brokers.stop());
  try {
    const topic = 'missed';
    await cluster.createTopic(topic, PARTITIONS);
    const victim = brokers.brokers[2]!;
    const folder = path.join(victim.data, 'broker-2');
    await victim.kill();
    let ports = await cluster.leaderPorts(topic);
    while (ports.some((port) => port === undefined || port === victim.port)) {
      await sleep(POLL_MS);
      ports = await cluster.leaderPorts(topic);
    }
    warmMemory(BYTES * 3);
    await load('produce', {
      ...{ host: '127.0.0.1', port: ports[0]!, ports, topic, partitions: PARTITIONS, acks: 1 },
      ...{ inFlight: 8, bytes: BYTES, recordBytes: 1000, compression: 'none' },
      batchBytes: BATCH_BYTES,
    });
    spawnSync('sync');
    const before = bytesOf(folder, topic);
    const begin = performance.now();
    await victim.restart();
    let [first, firstBytes, last, lastBytes, cpu] = [0, 0, 0, 0, 0];
    while (last === 0) {
      const bytes = bytesOf(folder, topic) - before;
      const now = performance.now();
      if (now - begin > DEADLINE_MS) throw new Error(`${bytes} of ${BYTES} bytes within a minute`);
      if (first === 0 && bytes > 0) [first, firstBytes, cpu] = [now, bytes, cpuSeconds(victim.pid)];
      if (bytes >= 0.95 * BYTES) [last, lastBytes] = [now, bytes];
      else await sleep(POLL_MS);
    }
    cpu = cpuSeconds(victim.pid) - cpu;
    await cluster.inSync(topic);
    return {
      'MB/s': (lastBytes - firstBytes) / 1e6 / ((last - first) / 1000),
      'follower CPU-s/GB': cpu / ((lastBytes - firstBytes) / 1e9),
      'start to in sync again s': (performance.now() - begin) / 1000,
    };
  } finally {
    await cluster.stop();
  }
}
