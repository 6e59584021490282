import { expect, it } from 'vitest';
import { KafkaSource } from '../../../src/connectors/kafka-source.ts';
import type { SourceBatches } from '../../../src/connectors/source.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { RecordBatchBuilder } from '../../../src/protocol/record-batch-builder.ts';
import { clientOf } from '../client/client-of.ts';
import { FakeBroker, MemoryTransport } from '../client/fake-broker.ts';
import { FakeCoordinator } from '../client/fake-coordinator.ts';
import { ManualClock } from '../client/manual-clock.ts';

async function setup() {
  const clock = new ManualClock();
  const transport = new MemoryTransport();
  const broker = new FakeBroker(transport, { topics: { logs: 2 } });
  broker.idle = (ms) => new Promise((resolve) => clock.after(ms, resolve));
  await broker.start();
  const coordinator = new FakeCoordinator(broker);
  const start = async () => {
    const client = clientOf({ broker, transport, clock });
    const fatal: Error[] = [];
    const source = new KafkaSource(client, {
      group: 'g',
      topics: ['logs'],
      instanceId: 'one',
      onFatal: (error) => fatal.push(error),
    });
    const assigned: string[] = [];
    await source.start({
      assigned: (partitions) => {
        assigned.push(...partitions.map((p) => `${p.partition} at ${p.offset}`));
      },
      revoked: () => Promise.resolve(),
    });
    /** What comes until `count` answers with records have. */
    const read = async (count: number): Promise<SourceBatches[]> => {
      const batches: SourceBatches[] = [];
      for (let i = 0; i < 20 && batches.length < count; i++) {
        batches.push(...(await clock.until(source.poll())));
      }
      return batches;
    };
    return { source, assigned, fatal, read };
  };
  return { clock, broker, coordinator, start };
}

/** A JoinGroup's answer. */
const refused = {
  throttleTimeMs: 0,
  generationId: -1,
  protocolType: null,
  protocolName: null,
  leader: '',
  skipAssignment: false,
  memberId: '',
  members: [],
};

function put(broker: FakeBroker, partition: number, count: number): void {
  const builder = new RecordBatchBuilder();
  for (let i = 0; i < count; i++) builder.append(1000, null, Buffer.from('{}'));
  broker.partition('logs', partition).append(builder.build());
}

it('reads what has a leader while another partition has none, and that one when it has', async () => {
  const { clock, broker, start } = await setup();
  broker.partition('logs', 1).leader = -1;
  put(broker, 0, 3);
  put(broker, 1, 4);
  broker.partition('logs', 0).startOffset = 1;
  const { source, assigned, read } = await start();
  await clock.advance(500);
  expect([source.fault, assigned]).toEqual(['', ['0 at 0', '1 at 0']]);
  expect(await read(1)).toMatchObject([{ partition: 0, fetchOffset: 1 }]);
  broker.partition('logs', 1).leader = 1;
  broker.partition('logs', 1).leaderEpoch = 1;
  expect(await read(1)).toMatchObject([{ partition: 1, fetchOffset: 0 }]);
  await clock.until(source.close());
});

it('notices that the log was cut before the committed offset and has grown again', async () => {
  const { clock, broker, coordinator, start } = await setup();
  const partition = broker.partition('logs', 0);
  partition.leaderEpoch = 4;
  for (let i = 0; i < 3; i++) put(broker, 0, 2);
  const first = await start();
  await first.read(1);
  await clock.until(
    first.source.commit([{ topic: 'logs', partition: 0, offset: 6, leaderEpoch: 4, metadata: '' }]),
  );
  expect(coordinator.epochs.get('logs-0')).toBe(4);
  await clock.until(first.source.close());
  partition.cut(2);
  for (let i = 0; i < 3; i++) put(broker, 0, 2);
  const second = await start();
  expect(await second.read(1)).toMatchObject([{ partition: 0, fetchOffset: 2 }]);
  expect(second.assigned).toContain('0 at 6');
  await clock.until(second.source.close());
});

it.each([
  'GROUP_AUTHORIZATION_FAILED',
  'GROUP_MAX_SIZE_REACHED',
  'INCONSISTENT_GROUP_PROTOCOL',
] as const)(
  'says so when the group refuses it (%s), and reads when it no longer does',
  async (name) => {
    const { clock, broker, start } = await setup();
    put(broker, 0, 1);
    const errorCode = ErrorCode[name];
    broker.intercept = ({ api }) =>
      api === 'JoinGroup' ? { answer: { ...refused, errorCode } } : undefined;
    const { source, fatal, read } = await start();
    await clock.advance(60_000);
    expect(source.fault).toBe(`JoinGroup of 'g': ${name}`);
    broker.intercept = () => undefined;
    expect(await read(1)).toHaveLength(1);
    expect([source.fault, fatal]).toEqual(['', []]);
    await clock.until(source.close());
  },
);

it('ends when somebody else has its name in the group', async () => {
  const { clock, broker, start } = await setup();
  const errorCode = ErrorCode.FENCED_INSTANCE_ID;
  broker.intercept = ({ api }) =>
    api === 'JoinGroup' ? { answer: { ...refused, errorCode } } : undefined;
  const { fatal } = await start();
  await clock.advance(5_000);
  expect(fatal).toMatchObject([{ code: errorCode }]);
});
