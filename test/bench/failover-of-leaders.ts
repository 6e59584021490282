/**
 * How long a killed broker's leaderships are away: from SIGKILL until another broker has
 * acknowledged (acks=all) a batch for the first of its partitions, and for each of them. A
 * partition counts as led when Metadata names its new leader. Each round kills the active controller,
 * and then a broker that is not: others notice the two in different ways. Either one leads as many
 * partitions as the rest do.
 *
 * The prober asks Metadata in a loop and sends each partition to whom it names, so what a client's
 * own waits would add is not in the figures.
 */
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ByteReader } from '../../src/base/bytes.ts';
import { apis } from '../../src/protocol/apis.ts';
import { codec } from '../../src/protocol/codec.ts';
import { FrameSplitter, readResponseHeader, writeRequest } from '../../src/protocol/frame.ts';
import { produceResponse } from '../../src/protocol/messages/00-produce.ts';
import { metadataResponse } from '../../src/protocol/messages/03-metadata.ts';
import { RecordBatchBuilder } from '../../src/protocol/record-batch-builder.ts';
import type { Message } from '../../src/protocol/schema.ts';
import type { Cluster } from './clusters.ts';
import type { Figures } from './measure.ts';

const METADATA_VERSION = 9;
const PRODUCE_VERSION = 9;
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
const POLL_MS = 5;
const DEADLINE_MS = 60_000;

/** One connection, one request at a time. */
class Wire {
  readonly #socket: net.Socket;
  #answer: ((frame: Buffer | null) => void) | null = null;

  constructor(port: number) {
    this.#socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    const splitter = new FrameSplitter(ANSWER_BYTES_MAX, (frame) => this.#answer?.(frame));
    this.#socket.on('data', (chunk: Buffer) => splitter.push(chunk));
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => this.#answer?.(null));
  }

  /** Null when the connection is lost first. */
  async ask(key: number, version: number, response: Message<any>, body: object): Promise<any> {
    const api = apis.get(key)!;
    if (this.#socket.destroyed) return null;
    const frame = await new Promise<Buffer | null>((resolve) => {
      this.#answer = resolve;
      this.#socket.write(Buffer.concat(writeRequest(api, version, 1, 'failover', body)));
    });
    if (frame === null) return null;
    const reader = new ByteReader(Buffer.from(frame));
    readResponseHeader(reader, api, version);
    return codec(response, version).read(reader);
  }

  close(): void {
    this.#socket.destroy();
  }
}

function oneRecord(): Buffer {
  const builder = new RecordBatchBuilder();
  builder.append(Date.now(), null, Buffer.from('after the failover'));
  return builder.build();
}

interface Leader {
  readonly id: number;
  readonly partitions: number[];
}

/** Partitions of `wanted` by the leader that Metadata names, those of `dead` left out. */
async function leaders(
  wire: Wire,
  topic: string,
  wanted: ReadonlySet<number>,
  dead: number,
): Promise<Leader[]> {
  const body = {
    topics: [{ topicId: '', name: topic }],
    allowAutoTopicCreation: false,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  };
  const answer = await wire.ask(3, METADATA_VERSION, metadataResponse, body);
  const byLeader = new Map<number, number[]>();
  for (const { partitionIndex, leaderId } of answer?.topics[0]?.partitions ?? []) {
    if (!wanted.has(partitionIndex) || leaderId < 0 || leaderId === dead) continue;
    const of = byLeader.get(leaderId) ?? [];
    of.push(partitionIndex);
    byLeader.set(leaderId, of);
  }
  return [...byLeader].map(([id, partitions]) => ({ id, partitions }));
}

/** Sends a batch to each; returns those that acknowledged. */
async function produceTo(wire: Wire, topic: string, partitions: number[]): Promise<number[]> {
  const partitionData = partitions.map((index) => ({ index, records: oneRecord() }));
  const body = {
    ...{ transactionalId: null, acks: -1, timeoutMs: 10_000 },
    topicData: [{ name: topic, partitionData }],
  };
  const answer = await wire.ask(0, PRODUCE_VERSION, produceResponse, body);
  const answers: { index: number; errorCode: number }[] =
    answer?.responses[0]?.partitionResponses ?? [];
  return answers.filter(({ errorCode }) => errorCode === 0).map(({ index }) => index);
}

const VICTIMS = ['controller', 'other broker'] as const;

export async function failover(cluster: Cluster, partitions: number): Promise<Figures> {
  const topic = `failover-${partitions}`;
  const known = await cluster.admin.listTopics();
  if (!known.some(({ name }) => name === topic)) await cluster.createTopic(topic, partitions);
  const figures: Record<string, number> = {};
  for (const which of VICTIMS) {
    await cluster.inSync(topic);
    await cluster.leadsEvenly(topic);
    for (const [name, value] of Object.entries(await failoverOf(which, cluster, topic))) {
      figures[`${which}: ${name}`] = value;
    }
  }
  return figures;
}

async function failoverOf(
  which: (typeof VICTIMS)[number],
  cluster: Cluster,
  topic: string,
): Promise<Figures> {
  const { brokers } = await cluster.admin.describeCluster();
  const controllerId = await cluster.controllerId();
  const at = brokers.findIndex(({ id }) => (id === controllerId) === (which === 'controller'));
  const { id: victim } = brokers[at]!;
  const before = await cluster.topic(topic);
  const mine = before.partitions.filter((p) => p.leader === victim).map((p) => p.index);
  const wires = new Map(brokers.map(({ id, port }) => [id, new Wire(port)]));
  const survivor = wires.get(brokers.find(({ id }) => id !== victim)!.id)!;
  const waiting = new Set(mine);
  const begin = performance.now();
  await cluster.members[at]!.kill();
  let first = -1;
  let led = -1;
  while (waiting.size > 0 && performance.now() - begin < DEADLINE_MS) {
    const found = await leaders(survivor, topic, waiting, victim);
    const count = found.reduce((total, { partitions: of }) => total + of.length, 0);
    if (led < 0 && count === waiting.size) led = performance.now() - begin;
    // One at first: a batch for each of a thousand partitions is a thousand syncs of a device.
    const acknowledged = await Promise.all(
      found.map(({ id, partitions: of }) =>
        produceTo(wires.get(id)!, topic, first < 0 ? of.slice(0, 1) : of),
      ),
    );
    for (const index of acknowledged.flat()) waiting.delete(index);
    if (first < 0 && waiting.size < mine.length) first = performance.now() - begin;
    if (waiting.size > 0) await sleep(POLL_MS);
  }
  const all = performance.now() - begin;
  if (waiting.size > 0)
    throw new Error(`${waiting.size} of ${mine.length} stayed without a leader`);
  for (const wire of wires.values()) wire.close();
  const returned = performance.now();
  await cluster.members[at]!.restart();
  await cluster.inSync(topic);
  const inSync = performance.now() - returned;
  return {
    'leaders that went': mine.length,
    'all led ms': led,
    'first acked ms': first,
    'all acked ms': all,
    'back in sync ms': inSync,
  };
}
