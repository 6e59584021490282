/**
 * `npm run bench -- NAME [ROUNDS [CASE]]`: side by side with the peer in one run.
 *
 * Every number is a ratio of figures that were measured in turns on the same machine; CPU seconds
 * and memory are the operating system's for the process under test.
 */
import { print } from './measure.ts';

/** `only`: what comes behind the number of rounds; those that have several cases run the ones so named. */
type Run = (rounds: number, only?: string) => Promise<void>;

const benches: Readonly<Record<string, { what: string; run: Run }>> = {
  replay: {
    what: 'pre-encoded Produce and Fetch at the limit, beside Apache Kafka',
    run: async (rounds, only) => (await import('./replay.ts')).replay(rounds, only),
  },
  replication: {
    what: 'three brokers, acks=all: throughput, latency, memory, failover, beside Apache Kafka',
    run: async (rounds, only) => (await import('./replication.ts')).replication(rounds, only),
  },
  failover: {
    what: 'a killed leader, as Kafka’s own producer waits for the next one, beside Apache Kafka',
    run: async (rounds, only) => (await import('./failover.ts')).failover(rounds, only),
  },
  tools: {
    what: 'ProducerPerformance and ConsumerPerformance, beside Apache Kafka',
    run: async (rounds) => (await import('./tools.ts')).tools(rounds),
  },
  latency: {
    what: 'EndToEndLatency, beside Apache Kafka',
    run: async (rounds) => (await import('./tools.ts')).endToEndLatency(rounds),
  },
  start: {
    what: 'start to first acknowledged record, idle memory and CPU, beside Apache Kafka',
    run: async (rounds) => (await import('./start.ts')).start(rounds),
  },
  scale: {
    what: '10,000 partitions: start, memory, cost of a record; 5,000 idle connections',
    run: async (_, only) => (await import('./scale.ts')).scale(only),
  },
  groups: {
    what: 'a hundred members that join at once, beside Apache Kafka',
    run: async (rounds) => (await import('./groups.ts')).groupsBench(rounds),
  },
  transactions: {
    what: 'produce in transactions of 100 ms: Kafka’s own producer, and at the limit, beside Apache Kafka',
    run: async (rounds, only) => (await import('./transactions.ts')).transactions(rounds, only),
  },
  compaction: {
    what: 'dirty log compacted in a second, and what a producer beside it notices',
    run: async (rounds) => (await import('./compaction.ts')).compaction(rounds),
  },
  collectors: {
    what: 'socket or file to compressed log, beside rsyslog',
    run: async (rounds) => (await import('./collectors.ts')).collectors(rounds),
  },
  connector: {
    what: 'log to Elasticsearch, beside a bare _bulk loop over the same bytes',
    run: async (rounds) => (await import('./connector.ts')).connector(rounds),
  },
};

const [name, rounds, only] = process.argv.slice(2);
const bench = name === undefined ? undefined : benches[name];
if (bench === undefined) {
  print('npm run bench -- NAME [ROUNDS [CASE]]\n');
  for (const [key, { what }] of Object.entries(benches)) print(`  ${key.padEnd(12)} ${what}`);
  process.exitCode = name === undefined ? 0 : 2;
} else await bench.run(Number(rounds ?? 3), only);
