/**
 * `scale`: one broker with very many partitions, and with very many connections that do nothing.
 * How long it starts after a clean stop, what memory it takes, and what a record costs it when
 * records go to all of its partitions, beside a broker with ten.
 */
import net from 'node:net';
import { apis } from '../../src/protocol/apis.ts';
import { writeRequest } from '../../src/protocol/frame.ts';
import { RecordBatchBuilder } from '../../src/protocol/record-batch-builder.ts';
import type { WeirProcess } from '../support/weir-process.ts';
import { WireClient } from '../unit/broker/fixture.ts';
import { cpuSeconds, print, residentMiB } from './measure.ts';
import { startWeir } from './servers.ts';

const PARTITIONS = 10_000;
const FEW = 10;
const PARTITIONS_PER_TOPIC = 100;
const CONNECTIONS = 5_000;
/** Time in which a broker that has started comes to rest, milliseconds. */
const REST_MS = 10_000;

/** Every partition gets that many batches in a round, so that both sides write the same requests. */
const BATCH_RECORDS = 100;
const BATCHES = 40_000;
/** Partitions of one request. */
const REQUEST_PARTITIONS = 10;
/**
 * Requests under way at once. One by one both sides do the same work, and the ratio is what the
 * partitions cost. Several arrive together, and what is for the same partition is written together:
 * that saves more where there are few.
 */
const IN_FLIGHT = [1, 8] as const;

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

const settings = ['broker.partitions.max=20000', 'broker.max.connections=20000', 'log.level=warn'];

/** Creates topics until there are so many partitions, and waits until each has its leader. */
async function fill(weir: WeirProcess, partitions: number): Promise<void> {
  const client = await WireClient.connect(weir.port);
  for (let made = 0; made < partitions; made += PARTITIONS_PER_TOPIC) {
    const numPartitions = Math.min(PARTITIONS_PER_TOPIC, partitions - made);
    const answer = await client.request('CreateTopics', 7, {
      topics: [
        {
          name: `t${made / PARTITIONS_PER_TOPIC}`,
          numPartitions,
          replicationFactor: 1,
          assignments: [],
          configs: [],
        },
      ],
      timeoutMs: 60_000,
    });
    const { errorCode, errorMessage } = answer.topics[0];
    if (errorCode !== 0) throw new Error(`create: ${errorMessage}`);
  }
  await client.close();
}

/** CPU microseconds of the broker a record, records going round over all of its partitions. */
async function costOfRecord(
  weir: WeirProcess,
  partitions: number,
  inFlight: number,
): Promise<number> {
  const builder = new RecordBatchBuilder();
  for (let i = 0; i < BATCH_RECORDS; i++) builder.append(Date.now(), null, Buffer.alloc(100, 97));
  const records = builder.build();
  const request = (first: number): Buffer => {
    const topic = Math.floor(first / PARTITIONS_PER_TOPIC);
    const partitionData = Array.from({ length: REQUEST_PARTITIONS }, (_, i) => ({
      index: (first % PARTITIONS_PER_TOPIC) + i,
      records,
    }));
    const topicData = [{ name: `t${topic}`, partitionData }];
    const body = { transactionalId: null, acks: 1, timeoutMs: 30_000, topicData };
    return Buffer.concat(writeRequest(apis.get(0)!, 9, first, 'bench', body));
  };
  const requests: Buffer[] = [];
  for (let first = 0; first < partitions; first += REQUEST_PARTITIONS)
    requests.push(request(first));
  const client = await WireClient.connect(weir.port);
  const send = async (count: number): Promise<void> => {
    const waiting: Promise<Buffer | null>[] = [];
    for (let i = 0; i < count; i++) {
      if (waiting.length >= inFlight && (await waiting.shift()) === null) {
        throw new Error('the broker closed the connection');
      }
      waiting.push(client.nextFrame());
      client.write(requests[i % requests.length]!);
    }
    await Promise.all(waiting);
  };
  // Once over all partitions: their first files are not what is measured.
  await send(Math.max(requests.length, 500));
  const before = cpuSeconds(weir.pid);
  await send(BATCHES / REQUEST_PARTITIONS);
  const cpu = cpuSeconds(weir.pid) - before;
  await client.close();
  return (cpu * 1e6) / (BATCHES * BATCH_RECORDS);
}

/** Connections that have said who they are, as clients do, and say nothing more. */
async function connect(port: number, count: number): Promise<net.Socket[]> {
  const hello = Buffer.concat(
    writeRequest(apis.get(18)!, 3, 1, 'bench', {
      clientSoftwareName: 'bench',
      clientSoftwareVersion: '1',
      clusterId: null,
      nodeId: -1,
    }),
  );
  const sockets: net.Socket[] = [];
  while (sockets.length < count) {
    const more = Array.from(
      { length: Math.min(100, count - sockets.length) },
      () =>
        new Promise<net.Socket>((resolve, reject) => {
          const socket = net.connect({ port, host: '127.0.0.1' }, () => socket.write(hello));
          socket.once('error', reject);
          socket.once('data', () => resolve(socket));
        }),
    );
    sockets.push(...(await Promise.all(more)));
  }
  return sockets;
}

const row = (what: string, value: string): void => print(`  ${what.padEnd(44)} ${value}`);

export async function scale(only?: string): Promise<void> {
  const isWanted = (name: string): boolean => only === undefined || only === name;
  if (isWanted('partitions')) await scaleOfPartitions();
  if (isWanted('connections')) await scaleOfConnections();
}

async function scaleOfPartitions(): Promise<void> {
  const few = await startWeir({ settings });
  const many = await startWeir({ settings });
  try {
    await fill(few, FEW);
    let began = performance.now();
    await fill(many, PARTITIONS);
    print(`\n${PARTITIONS} partitions on one broker`);
    row('made in s', ((performance.now() - began) / 1000).toFixed(1));
    await many.halt();
    began = performance.now();
    await many.restart();
    row('start after a clean stop s (at most 5)', ((performance.now() - began) / 1000).toFixed(2));
    await pause(REST_MS);
    row('idle resident MiB (at most 400)', residentMiB(many.pid).toFixed(0));
    for (const inFlight of IN_FLIGHT) {
      const costs = { few: [] as number[], many: [] as number[] };
      for (let round = 0; round < 3; round++) {
        costs.few.push(await costOfRecord(few, FEW, inFlight));
        costs.many.push(await costOfRecord(many, PARTITIONS, inFlight));
      }
      const [least, most] = [Math.min(...costs.few), Math.min(...costs.many)];
      print(`  requests under way: ${inFlight}`);
      row(`CPU µs a record, ${FEW} partitions`, least.toFixed(3));
      row(`CPU µs a record, ${PARTITIONS} partitions`, most.toFixed(3));
      row(`ratio${inFlight === 1 ? ' (at most 1.2)' : ''}`, (most / least).toFixed(2));
    }
  } finally {
    await few.stop();
    await many.stop();
  }
}

async function scaleOfConnections(): Promise<void> {
  const weir = await startWeir({ settings });
  try {
    await pause(REST_MS);
    const before = residentMiB(weir.pid);
    const sockets = await connect(weir.port, CONNECTIONS);
    await pause(REST_MS);
    const added = residentMiB(weir.pid) - before;
    print(`\n${CONNECTIONS} idle connections`);
    row('MiB more (at most 100)', added.toFixed(0));
    row('KiB a connection', ((added * 1024) / CONNECTIONS).toFixed(1));
    for (const socket of sockets) socket.destroy();
  } finally {
    await weir.stop();
  }
}
