/**
 * The wall clock of a broker's process jumps three days ahead, and then to an hour before where it
 * was, while producers, a group and a transaction work. Only timestamps may show it: nothing fresh is
 * deleted, nobody is thrown out, no transaction is aborted, and a retry is still known to be one.
 *
 * The monotonic clock, which nobody can set, goes on as it did.
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Client } from '../../src/client/client.ts';
import { GroupMember } from '../../src/client/group-member.ts';
import { fakeTime } from '../peers/fake-time.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { sleep, temporaryDirectory } from '../peers/peer.ts';
import { eventually } from '../support/cluster-processes.ts';
import { readNumbers, SteadyProducer } from '../support/steady-producer.ts';
import { WeirProcess } from '../support/weir-process.ts';
import {
  batchOf,
  createTopic,
  fetch,
  produce,
  valuesOf,
  WireClient,
} from '../unit/broker/fixture.ts';
import { TransactionalClient } from '../unit/broker/transactional-client.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Retention looks that often, and some times after each jump. */
const LOOK_MS = 500;
const LOOKS = 6;
/** Instead of a time, in ListOffsets. */
const EARLIEST = -2;

const settings = [
  'log.to.topic=false',
  'broker.group.initial.rebalance.delay.ms=0',
  'broker.offsets.topic.num.partitions=1',
  'broker.transaction.state.log.num.partitions=1',
];
/** Whatever looks at the clock to end something looks often. */
for (const name of [
  'log.retention.check.interval.ms',
  'offsets.retention.check.interval.ms',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms',
  'transaction.remove.expired.transaction.cleanup.interval.ms',
]) {
  settings.push(`broker.${name}=${LOOK_MS}`);
}
const kept = { 'retention.ms': String(DAY_MS), 'segment.bytes': '1048576' };

describeWithPeers(['faketime'], 'a clock that jumps', () => {
  const file = path.join(temporaryDirectory('clock'), 'now');
  let weir: WeirProcess;
  let wire: WireClient;
  let client: Client;
  let steady: SteadyProducer;
  let member: GroupMember;
  let transactional: TransactionalClient;
  const assignments: number[] = [];
  const faults: string[] = [];
  let producerId = -1;

  const setClock = (jump: string): void => {
    fs.writeFileSync(`${file}.new`, jump);
    fs.renameSync(`${file}.new`, file);
  };

  beforeAll(async () => {
    setClock('+0');
    weir = await WeirProcess.start({ roles: 'broker', settings, env: fakeTime(file) });
    wire = await WireClient.connect(weir.port);
    await createTopic(wire, 'steady', 2, kept);
    await createTopic(wire, 'rolled', 1, kept);
    await createTopic(wire, 'old', 1, kept);
    await createTopic(wire, 'stamped', 1, { 'message.timestamp.type': 'LogAppendTime' });
    await createTopic(wire, 'retried', 1);
    await createTopic(wire, 'transactional', 1);
    // Some segments that are fresh.
    for (let n = 0; n < 8; n++) {
      const answer = await produce(wire, 'rolled', batchOf(['x'.repeat(600_000)]));
      expect(answer.errorCode).toBe(0);
    }
    client = new Client({ bootstrap: weir.bootstrap, clientId: 'member' });
    member = new GroupMember(client, {
      groupId: 'group',
      topics: ['steady'],
      sessionTimeoutMs: 10_000,
      heartbeatIntervalMs: 200,
      onAssigned: (partitions) => {
        assignments.push(partitions.length);
        return Promise.resolve();
      },
      onRevoked: () => Promise.resolve(),
      onFatal: (error) => faults.push(String(error)),
    });
    member.start();
    steady = new SteadyProducer([weir.bootstrap], 'steady');
    await eventually('the group has begun', () => Promise.resolve(assignments.length > 0));
    transactional = new TransactionalClient(wire, 'transactional', 1);
    await transactional.init();
    ({ producerId } = await wire.request('InitProducerId', 2, { transactionalId: null }));
    expect((await retry()).baseOffset).toBe(0);
  });
  afterAll(async () => {
    await steady?.stop();
    await member?.leave();
    client?.close();
    await wire?.close();
    await weir?.stop();
  });

  /** The same batch of the same idempotent producer, each time. */
  const retry = () => {
    const producer = { id: producerId, epoch: 0, baseSequence: 0 };
    return produce(wire, 'retried', batchOf(['once'], { producer }));
  };

  /** What the broker takes for the time, against what it is. */
  const ahead = async (): Promise<number> => {
    const answer = await produce(wire, 'stamped', batchOf(['now']));
    return answer.logAppendTimeMs - Date.now();
  };
  const startOf = async (topic: string): Promise<number> => {
    const answer = await wire.request('ListOffsets', 4, {
      replicaId: -1,
      topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp: EARLIEST }] }],
    });
    return answer.topics[0].partitions[0].offset;
  };

  /** Everything, with a transaction that is open over the jump. */
  const jump = async (by: string, isThere: (aheadMs: number) => boolean): Promise<void> => {
    const value = `over ${by}`;
    expect((await transactional.send('transactional', [value])).errorCode).toBe(0);
    setClock(by);
    await eventually('the broker has the other time', async () => isThere(await ahead()));
    await sleep(LOOKS * LOOK_MS);
    await steady.more(100);
    expect(steady.errors).toEqual([]);

    expect(await startOf('rolled')).toBe(0);
    expect(await startOf('steady')).toBe(0);
    expect(faults).toEqual([]);
    expect(assignments).toEqual([2]);
    const again = await retry();
    expect([again.errorCode, again.baseOffset]).toEqual([0, 0]);
    const second = `${value}, afterwards`;
    expect((await transactional.send('transactional', [second])).errorCode).toBe(0);
    expect(await transactional.end(true)).toBe(0);
    await transactional.completed();
    const { records } = await fetch(wire, 'transactional', 0, { isolationLevel: 1 });
    expect(valuesOf(records)).toEqual(expect.arrayContaining([value, second]));
  };

  test('retention takes what is old', async () => {
    const ago = Date.now() - 10 * DAY_MS;
    for (let n = 0; n < 4; n++) {
      const answer = await produce(wire, 'old', batchOf(['x'.repeat(600_000)], { timestamp: ago }));
      expect(answer.errorCode).toBe(0);
    }
    await eventually('old records are deleted', async () => (await startOf('old')) > 0);
  }, 60_000);

  test('three days ahead', async () => {
    await jump('+3d', (aheadMs) => Math.abs(aheadMs - 3 * DAY_MS) < HOUR_MS);
  }, 60_000);

  test('back, to an hour before', async () => {
    await jump('-1h', (aheadMs) => Math.abs(aheadMs + HOUR_MS) < HOUR_MS / 2);
  }, 60_000);

  test('and to where it was', async () => {
    await jump('+0', (aheadMs) => Math.abs(aheadMs) < HOUR_MS / 2);
  }, 60_000);

  test('everything that was acknowledged is there once', async () => {
    await steady.stop();
    expect(steady.errors).toEqual([]);
    const numbers = await readNumbers([weir.bootstrap], 'steady');
    expect(numbers.sort((a, b) => a - b)).toEqual(steady.acknowledged.sort((a, b) => a - b));
    expect(new Set(numbers).size).toBe(numbers.length);
  }, 60_000);
});
