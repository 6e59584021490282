/** `tools`: Apache Kafka's own load tools against Weir and against Apache Kafka. */
import { kafkaTool } from '../peers/kafka.ts';
import { compare, cpuSeconds, endedSeconds, type Figures, type Side } from './measure.ts';
import { createTopic, deleteTopic, type Server, startPeer, startWeir } from './servers.ts';

let topics = 0;

async function tool(name: string, args: readonly string[]): Promise<string> {
  const result = await kafkaTool(`org.apache.kafka.tools.${name}`, args, { heap: '1g' });
  if (result.code !== 0) throw new Error(`${name} ended with ${result.code}: ${result.stderr}`);
  return result.stdout;
}

const number = (text: string, pattern: RegExp): number => {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`expected ${pattern} in the tool's output:\n${text}`);
  return Number(found);
};

async function throughput(server: Server, recordBytes: number, acks: string): Promise<Figures> {
  const topic = `tools-${topics++}`;
  const records = Math.round(5e8 / recordBytes);
  await createTopic(server, topic, 6);
  const before = cpuSeconds(server.pid);
  const produced = await tool('ProducerPerformance', [
    ...['--topic', topic, '--num-records', String(records)],
    ...['--record-size', String(recordBytes), '--throughput', '-1'],
    ...['--producer-props', `bootstrap.servers=${server.bootstrap}`, `acks=${acks}`],
    ...['batch.size=65536', 'linger.ms=5'],
  ]);
  const middle = cpuSeconds(server.pid);
  const consumed = await tool('ConsumerPerformance', [
    ...['--bootstrap-server', server.bootstrap, '--topic', topic],
    ...['--num-records', String(records), '--timeout', '60000'],
  ]);
  const after = cpuSeconds(server.pid);
  await deleteTopic(server, topic);
  const lines = consumed.trim().split('\n');
  const last = lines.at(-1)!.split(',').map(Number);
  const gigabytes = (records * recordBytes) / 1e9;
  return {
    'producer MiB/s': number(produced.trim().split('\n').at(-1)!, /\(([\d.]+) MB\/sec\)/),
    'produce broker CPU-s/GB': (middle - before) / gigabytes,
    'consumer MiB/s': last[3]!,
    'consume broker CPU-s/GB': (after - middle) / gigabytes,
  };
}

async function latency(server: Server): Promise<Figures> {
  const topic = `latency-${topics++}`;
  await createTopic(server, topic, 1);
  const figures = await latencyOf(server.bootstrap, topic, '1');
  await deleteTopic(server, topic);
  return figures;
}

/** Of single records from one producer through the topic to one consumer, one after the other. */
export async function latencyOf(
  bootstrap: string,
  topic: string,
  acks: '1' | 'all',
): Promise<Figures> {
  const out = await tool('EndToEndLatency', [
    ...['--bootstrap-server', bootstrap, '--topic', topic],
    ...['--num-records', '10000', '--producer-acks', acks, '--record-size', '100'],
  ]);
  return {
    'mean ms': number(out, /Avg latency: ([\d.]+)/),
    'p50 ms': number(out, /50th = ([\d.]+)/),
    'p99 ms': number(out, /99th = ([\d.]+)/),
    'p99.9 ms': number(out, /99\.9th = ([\d.]+)/),
  };
}

/** Kafka's own producer, with one commit every 100 ms. */
export async function transactionalProducer(server: Server): Promise<Figures> {
  const topic = `transactions-${topics++}`;
  const recordBytes = 1000;
  const records = 500_000;
  await createTopic(server, topic, 6);
  const before = cpuSeconds(server.pid);
  const ended = endedSeconds();
  const produced = await tool('ProducerPerformance', [
    ...['--topic', topic, '--num-records', String(records)],
    ...['--record-size', String(recordBytes), '--throughput', '-1'],
    ...['--transactional-id', topic, '--transaction-duration-ms', '100'],
    ...['--producer-props', `bootstrap.servers=${server.bootstrap}`, 'acks=all'],
    ...['batch.size=65536', 'linger.ms=5'],
  ]);
  const after = cpuSeconds(server.pid);
  // What the producer takes bounds what any broker can give on the same machine.
  const ofProducer = endedSeconds() - ended;
  await deleteTopic(server, topic);
  const gigabytes = (records * recordBytes) / 1e9;
  return {
    'producer MiB/s': number(produced.trim().split('\n').at(-1)!, /\(([\d.]+) MB\/sec\)/),
    'broker CPU-s/GB': (after - before) / gigabytes,
    'producer CPU-s/GB': ofProducer / gigabytes,
  };
}

async function beside(title: string, rounds: number, run: (s: Server) => Promise<Figures>) {
  const weir = await startWeir();
  const peer = await startPeer();
  try {
    const side = (server: Server): Side => ({ name: server.name, round: () => run(server) });
    await compare(title, side(weir), side(peer), rounds);
  } finally {
    await weir.stop();
    await peer.stop();
  }
}

export async function tools(rounds: number): Promise<void> {
  await beside('1 KB records, acks=1', rounds, (s) => throughput(s, 1000, '1'));
  await beside('100 B records, acks=1', rounds, (s) => throughput(s, 100, '1'));
}

export const endToEndLatency = (rounds: number): Promise<void> =>
  beside('EndToEndLatency, acks=1, 100 B', rounds, latency);
