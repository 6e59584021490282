/** `start`: from the command to the first acknowledged record; memory and CPU when nothing is to do. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { apis } from '../../src/protocol/apis.ts';
import { writeRequest } from '../../src/protocol/frame.ts';
import { RecordBatchBuilder } from '../../src/protocol/record-batch-builder.ts';
import { freePort } from '../peers/peer.ts';
import { root } from '../support/weir-process.ts';
import { cpuSeconds, type Figures, report, residentMiB } from './measure.ts';

const IDLE_SECONDS = 20;

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** A Metadata request that creates the topic, then a Produce request with acks=1, on one connection. */
function tryProduce(port: number): Promise<boolean> {
  const builder = new RecordBatchBuilder();
  builder.append(1_767_225_600_000, null, Buffer.from('first'));
  const metadata = writeRequest(apis.get(3)!, 4, 1, 'bench', {
    topics: [{ name: 'first' }],
    allowAutoTopicCreation: true,
  });
  const produce = writeRequest(apis.get(0)!, 9, 2, 'bench', {
    transactionalId: null,
    acks: 1,
    timeoutMs: 1000,
    topicData: [{ name: 'first', partitionData: [{ index: 0, records: builder.build() }] }],
  });
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    let seen = Buffer.alloc(0);
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.write(Buffer.concat([...metadata, ...produce])));
    socket.on('data', (chunk: Buffer) => {
      seen = Buffer.concat([seen, chunk]);
      const first = seen.length < 4 ? Number.POSITIVE_INFINITY : 4 + seen.readInt32BE(0);
      if (seen.length < first + 4 || seen.length < first + 4 + seen.readInt32BE(first)) return;
      socket.destroy();
      // Behind size, correlation id and empty tags: one topic, its name, one partition, its index.
      const error = seen.readInt16BE(first + 4 + 4 + 1 + 1 + 1 + 'first'.length + 1 + 4);
      resolve(error === 0);
    });
  });
}

async function round(data: string, idle: boolean): Promise<Figures> {
  const [port, http] = [await freePort(), await freePort()];
  const args = ['src/weir.mjs', 'up', '--data', data];
  args.push('--set', `kafka.port=${port}`, '--set', `console.port=${http}`);
  args.push('--set', 'collectors.files.enabled=false', '--set', 'collectors.syslog.enabled=false');
  const begin = performance.now();
  const child = spawn(process.execPath, args, { cwd: root, stdio: 'ignore' });
  try {
    while (!(await tryProduce(port))) {
      if (performance.now() - begin > 30_000) throw new Error('no acknowledged record within 30 s');
      await pause(2);
    }
    const figures: Record<string, number> = {
      'first acknowledged record s': (performance.now() - begin) / 1000,
    };
    if (!idle) return figures;
    await pause(5000);
    const before = cpuSeconds(child.pid!);
    await pause(IDLE_SECONDS * 1000);
    figures['idle CPU %'] = ((cpuSeconds(child.pid!) - before) / IDLE_SECONDS) * 100;
    figures['idle resident MiB'] = residentMiB(child.pid!);
    return figures;
  } finally {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  }
}

export async function start(rounds: number): Promise<void> {
  const fresh = (): string => fs.mkdtempSync(path.join(os.tmpdir(), 'weir-bench-'));
  await report('very first start', { name: 'Weir', round: () => round(fresh(), false) }, rounds);
  const data = fresh();
  await report('later start', { name: 'Weir', round: () => round(data, true) }, rounds);
  fs.rmSync(data, { recursive: true });
}
