/** `kafka-topics`, with each of its options. */
import { expect } from 'vitest';
import type { Comparison, ToolSides } from './tool-sides.ts';

export const TOPICS = 'org.apache.kafka.tools.TopicCommand';

const bare: Comparison = {
  mask: [
    [/TopicId: \S+/g, ''],
    // There is nothing here by which a directory could be (KIP-1066).
    [/ or some brokers have all their log directories cordoned/g, ''],
  ],
};

const create = (name: string, ...more: string[]): string[] => [
  ...['--create', '--topic', name],
  ...more,
];
const describe = (...more: string[]): string[] => ['--describe', ...more];
const alter = (name: string, partitions: number, ...more: string[]): string[] => [
  ...['--alter', '--topic', name, '--partitions', String(partitions)],
  ...more,
];

type Alike = (args: readonly string[], expected: RegExp) => Promise<void>;

export async function topics(tools: ToolSides): Promise<void> {
  const alike: Alike = async (args, expected) => {
    if (/--list|--describe/.test(args[0]!)) await tools.alikeSoon(TOPICS, args, expected, bare);
    else await tools.alike(TOPICS, args, expected, bare);
  };
  const compacted = ['--config', 'cleanup.policy=compact', '--config', 'retention.ms=1000'];
  const assigned = ['--replica-assignment', '0:1,1:2'];
  await alike(create('made.1', ...assigned, ...compacted), /WARNING[^]*Created topic made\.1/);
  await alike(create('made.1', ...assigned), /already exists/);
  await alike(create('made.1', '--if-not-exists'), /^WARNING[^\n]*$/);
  await alike(create('made_1', ...assigned), /collides/);
  await alike(create('made-2', '--replica-assignment', '2:1'), /Created topic made-2/);
  await alike(create('spread', '--partitions', '2', '--replication-factor', '3'), /Created/);
  for (const [more, expected] of [
    [['--replication-factor', '4'], /InvalidReplicationFactor/],
    [['--replication-factor', '0'], /replication factor/i],
    [['--partitions', '0'], /partitions/],
    [['--config', 'nonsense=1'], /nonsense/],
    [['--config', 'retention.ms=never'], /retention\.ms/],
    [['--config', 'segment.bytes=1'], /segment\.bytes/],
    [['--config', 'cleanup.policy=shred'], /cleanup\.policy/],
    [['--replica-assignment', '0:0'], /duplicate/i],
    [['--replica-assignment', '0:9'], /9/],
    [['--replica-assignment', '0:1,1'], /replication factor/i],
  ] as const) {
    await alike(create('wrong', ...more), expected);
  }
  for (const name of ['w r o n g', '..', 'x'.repeat(250)]) {
    await alike(create(name), /Topic name is invalid/i);
  }
  await described(tools, alike);
  await altered(tools, alike);
  await alike(['--delete', '--topic', 'absent'], /absent/);
  await alike(['--delete', '--topic', 'absent', '--if-exists'], /^$/);
  await alike(['--delete', '--topic', 'made.*'], /^$/);
  await alike(['--delete', '--topic', 'spread'], /^$/);
  await alike(['--list', '--topic', 'made.*|spread'], /^$/);
}

async function described(tools: ToolSides, alike: Alike): Promise<void> {
  await alike(['--list', '--exclude-internal'], /made-2\nmade\.1/);
  await alike(['--list', '--topic', 'made.*'], /^made-2\nmade\.1$/);
  const one = ['--topic', 'made.1'];
  await alike(describe(...one), /ReplicationFactor: 2 Configs: .*retention\.ms=1000/);
  await alike(describe('--topic', 'made.*,absent'), /made\.1/);
  await alike(describe(...one, '--topics-with-overrides'), /retention\.ms=1000/);
  await alike(describe(...one, '--partition-size-limit-per-response', '1'), /Partition: 1/);
  for (const filter of ['under-replicated', 'under-min-isr', 'at-min-isr', 'unavailable']) {
    await alike(describe(...one, `--${filter}-partitions`), /^$|made\.1/);
  }
  await alike(describe('--topic', 'absent'), /absent/);
  await alike(describe('--topic', 'absent', '--if-exists'), /^$/);
  await alike(describe('--topic-id', 'AAAAAAAAAAAAAAAAAAAAAQ'), /AAAAAAAAAAAAAAAAAAAAAQ/);
  const [theirs, ours] = await tools.eachSide(async (side) => {
    const { lines } = await tools.print(side, TOPICS, describe(...one));
    const id = /TopicId: (\S+)/.exec(lines[0]!)![1]!;
    return (await tools.print(side, TOPICS, describe('--topic-id', id), bare)).lines;
  });
  expect(ours).toEqual(theirs);
  expect(ours![0]).toContain('Topic: made.1 ');
}

async function altered(tools: ToolSides, alike: Alike): Promise<void> {
  const more = '0:1,1:2,2:0,0:2';
  await alike(alter('made.1', 4, '--replica-assignment', more), /^$/);
  await tools.eachSide((side) =>
    expect
      .poll(async () => {
        const { lines } = await tools.print(side, TOPICS, describe('--topic', 'made.1'));
        return lines.filter((line) => /Isr: \d,\d/.test(line)).length;
      })
      .toBe(4),
  );
  await alike(describe('--topic', 'made.1'), /Partition: 3 Leader: 0 Replicas: 0,2/);
  await alike(alter('made.1', 4), /InvalidPartitions/);
  await alike(alter('made.1', 3), /InvalidPartitions/);
  await alike(alter('made.1', 5, '--replica-assignment', `${more},0:9`), /9/);
  await alike(alter('absent', 2), /absent/);
  await alike(alter('absent', 2, '--if-exists'), /^$/);
}
