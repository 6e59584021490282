/** Transactions: begun, written to, ended, in both versions, in order and out of it. */
import { below, seededRandom } from '../../../src/base/random.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { BatchAttribute } from '../../../src/protocol/record-batch.ts';
import { batchOf } from '../../unit/broker/fixture.ts';
import { ready } from './group-requests.ts';
import { fetchBody, send } from './requests.ts';
import type { Side } from './side.ts';

const READ_COMMITTED = 1;

/** What a coordinator says while it has not finished something. */
const passing: readonly number[] = [
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ErrorCode.NOT_COORDINATOR,
  ErrorCode.CONCURRENT_TRANSACTIONS,
];

interface Identity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

class Producer {
  readonly side: Side;
  readonly id: string;
  identity: Identity = { producerId: -1, producerEpoch: -1 };
  #sequence = 0;

  constructor(side: Side, id: string) {
    this.side = side;
    this.id = id;
  }

  /** Gives it the next identity, and shows the answer. */
  async init(version = 4, more: object = {}): Promise<void> {
    const body = { transactionalId: this.id, transactionTimeoutMs: 60_000, ...more };
    const answer = await this.side.settle(
      'InitProducerId',
      version,
      body,
      (a) => !passing.includes(a.errorCode),
    );
    this.#become(answer);
    this.side.keep(`InitProducerId v${version} of ${this.id} ${JSON.stringify(more)}`, answer);
  }

  #become({ producerId, producerEpoch }: Identity): void {
    if (producerId < 0) return;
    this.side.alias(producerId, 'producer');
    this.identity = { producerId, producerEpoch };
    this.#sequence = 0;
  }

  async add(topic: string, partitions: number[], version = 3, more: object = {}): Promise<any> {
    const body = {
      v3AndBelowTransactionalId: this.id,
      v3AndBelowProducerId: this.identity.producerId,
      v3AndBelowProducerEpoch: this.identity.producerEpoch,
      v3AndBelowTopics: [{ name: topic, partitions }],
      ...more,
    };
    return this.#ask('AddPartitionsToTxn', version, body, `${topic} ${partitions.join()}`);
  }

  /** What differs from run to run is not part of the step's name. */
  async #ask(api: string, version: number, body: object, what: string): Promise<any> {
    const answer = await this.side.quietly(api, version, { ...body });
    this.side.keep(`${api} v${version} of ${this.id} ${what}`, answer);
    return answer;
  }

  async write(
    topic: string,
    version: number,
    more: { partition?: number; sequence?: number } = {},
  ) {
    const { partition = 0, sequence = this.#sequence } = more;
    const { producerId: id, producerEpoch: epoch } = this.identity;
    const records = batchOf([`${this.id} ${sequence}`], {
      timestamp: this.side.base,
      attributes: BatchAttribute.transactional,
      producer: { id, epoch, baseSequence: sequence },
    });
    const note = `of ${this.id} sequence ${sequence}`;
    const sent = { version, partition, note, transactionalId: this.id };
    const answer = await send(this.side, topic, records, sent);
    const code = answer?.responses[0].partitionResponses[0].errorCode;
    if (code === 0 && more.sequence === undefined) this.#sequence += 1;
  }

  async end(committed: boolean, version: number, identity = this.identity): Promise<void> {
    const body = { ...identity, transactionalId: this.id, committed };
    const answer = await this.side.settle(
      'EndTxn',
      version,
      body,
      (a) => !passing.includes(a.errorCode),
    );
    const what = committed ? 'commit' : 'abort';
    this.side.keep(`EndTxn v${version} of ${this.id} ${what}`, answer);
    if (version >= 5 && answer.errorCode === 0) this.#become(answer);
    await this.settled();
  }

  /** Waits until the markers are written. */
  async settled(): Promise<void> {
    await this.side.settle(
      'DescribeTransactions',
      0,
      { transactionalIds: [this.id] },
      (a) => !a.transactionStates[0].transactionState.startsWith('Prepare'),
    );
  }

  /** Kafka keeps the partitions in no order. */
  async describe(): Promise<void> {
    const body = { transactionalIds: [this.id] };
    const answer = await this.side.quietly('DescribeTransactions', 0, body);
    for (const { partitions } of answer.transactionStates[0].topics) {
      partitions.sort((a: number, b: number) => a - b);
    }
    this.side.keep(`DescribeTransactions of ${this.id}`, answer);
  }

  async offsets(group: string, version: number, more: object = {}): Promise<any> {
    const body = {
      ...this.identity,
      transactionalId: this.id,
      groupId: group,
      topics: [
        {
          name: 'x1',
          partitions: [0, 7].map((partitionIndex) => ({
            partitionIndex,
            committedOffset: 3,
            committedMetadata: 'm',
          })),
        },
        {
          name: 'absent',
          partitions: [{ partitionIndex: 0, committedOffset: 3, committedMetadata: '' }],
        },
      ],
      ...more,
    };
    return this.#ask('TxnOffsetCommit', version, body, `${group} ${JSON.stringify(more)}`);
  }
  addOffsets(group: string, version: number): Promise<any> {
    const body = { ...this.identity, transactionalId: this.id, groupId: group };
    return this.#ask('AddOffsetsToTxn', version, body, group);
  }
}

async function seen(side: Side, topic: string, partitions = 1): Promise<void> {
  for (const isolationLevel of [0, READ_COMMITTED]) {
    for (let partition = 0; partition < partitions; partition++) {
      const answer = await side.quietly(
        'Fetch',
        11,
        fetchBody([[topic, partition, 0]], { isolationLevel }),
      );
      const [read] = answer.responses[0].partitions;
      // Kafka lists aborted transactions up to the next entry of its index, where others may begin.
      const { abortedTransactions: aborted } = read;
      read.abortedTransactions = aborted?.filter((a: any) => a.firstOffset < read.lastStableOffset);
      side.keep(`Fetch of ${topic}-${partition} at isolation ${isolationLevel}`, answer);
      await side.ask('ListOffsets', 5, {
        replicaId: -1,
        isolationLevel,
        topics: [{ name: topic, partitions: [{ partitionIndex: partition, timestamp: -1 }] }],
      });
    }
  }
}

async function begun(side: Side, id: string): Promise<Producer> {
  await side.settle('FindCoordinator', 3, { key: id, keyType: 1 }, (a) => a.errorCode === 0);
  const producer = new Producer(side, id);
  await producer.init();
  return producer;
}

export async function coordinators(side: Side): Promise<void> {
  const keys = Array.from({ length: 20 }, (_, i) => `tx-${i}`);
  await side.settle('FindCoordinator', 4, { coordinatorKeys: keys, keyType: 1 }, (a) =>
    a.coordinators.every((c: any) => c.errorCode === 0),
  );
  for (const version of [1, 2, 3]) {
    await side.ask('FindCoordinator', version, { key: 'tx', keyType: 1 });
  }
  for (const version of [4, 5, 6]) {
    await side.ask('FindCoordinator', version, { coordinatorKeys: ['tx', 'b'], keyType: 1 });
  }
  const described = { resources: [{ resourceType: 2, resourceName: '__transaction_state' }] };
  const answer = await side.quietly('DescribeConfigs', 4, described);
  const own = answer.results[0].configs.filter((c: any) => c.configSource === 1);
  side.keep(
    'settings of __transaction_state',
    Object.fromEntries(own.map((c: any) => [c.name, c.value])),
  );
}

export async function identities(side: Side): Promise<void> {
  await begun(side, 'first');
  for (const version of [0, 1, 2, 3, 4, 5]) {
    const producer = await begun(side, `ids-${version}`);
    await producer.init(version);
    for (const transactionTimeoutMs of [0, -1, 900_000, 900_001, 2_147_483_647]) {
      await producer.init(version, { transactionTimeoutMs });
    }
    if (version < 3) continue;
    const known = producer.identity;
    await producer.init(version, known);
    await producer.init(version, known);
    await producer.init(version);
    await producer.init(version, known);
    for (const odd of [
      { producerId: 123_456, producerEpoch: 0 },
      { ...known, producerEpoch: 99 },
      { producerId: known.producerId, producerEpoch: -1 },
      { producerId: -1, producerEpoch: 3 },
    ]) {
      const answer = await side.quietly('InitProducerId', version, {
        transactionalId: producer.id,
        transactionTimeoutMs: 1000,
        ...odd,
      });
      side.keep(`InitProducerId v${version} odd ${odd.producerEpoch}`, answer);
    }
    await producer.describe();
  }
  await side.ask('InitProducerId', 4, { transactionalId: '', transactionTimeoutMs: 1000 });
}

export async function firstVersion(side: Side): Promise<void> {
  await side.makeTopic('x1', 3);
  for (const [add, write, end] of [
    [0, 7, 0],
    [1, 9, 1],
    [2, 10, 2],
    [3, 11, 3],
    [3, 11, 4],
  ] as const) {
    const producer = await begun(side, `v1-${end}`);
    await producer.end(true, end);
    await producer.write('x1', write);
    await producer.add('x1', [0, 1], add);
    await producer.add('x1', [0], add);
    await producer.add('x1', [9], add);
    await producer.add('absent', [0], add);
    await producer.write('x1', write);
    await producer.write('x1', write, { partition: 2 });
    await producer.write('x1', write, { sequence: 0 });
    await producer.write('x1', write, { sequence: 9 });
    await seen(side, 'x1', 2);
    await producer.end(true, end);
    await producer.end(true, end);
    await producer.end(false, end);
    await producer.add('x1', [0], add);
    await producer.write('x1', write);
    await producer.end(false, end);
    await producer.end(false, end);
    await producer.end(true, end);
    await producer.describe();
    const { producerId, producerEpoch } = producer.identity;
    const odd: readonly Identity[] = [
      { producerId, producerEpoch: producerEpoch + 1 },
      { producerId, producerEpoch: producerEpoch - 1 },
      { producerId: producerId + 10_000, producerEpoch },
    ];
    for (const identity of odd) {
      await producer.end(true, end, identity);
      await producer.add('x1', [0], add, {
        v3AndBelowProducerId: identity.producerId,
        v3AndBelowProducerEpoch: identity.producerEpoch,
      });
    }
    await producer.add('x1', [0], add, { v3AndBelowTransactionalId: 'nobody' });
    await producer.add('x1', [0], add, { v3AndBelowTransactionalId: '' });
  }
  await seen(side, 'x1', 3);
}

export async function secondVersion(side: Side): Promise<void> {
  const id = await side.makeTopic('x2', 2);
  for (const write of [12, 13]) {
    const producer = await begun(side, `v2-${write}`);
    const topic = write >= 13 ? id : 'x2';
    await producer.end(true, 5);
    await producer.write(topic, write, { sequence: 3 });
    await producer.write(topic, write);
    await producer.write(topic, write, { sequence: 0 });
    await producer.write(topic, write, { sequence: 5 });
    await producer.write(topic, write);
    await producer.describe();
    const first = producer.identity;
    await producer.end(true, 5);
    await producer.end(true, 5, first);
    await producer.end(false, 5, first);
    await producer.end(true, 5);
    await producer.write(topic, write, { sequence: 4 });
    await producer.write(topic, write, { partition: 1 });
    const second = producer.identity;
    await producer.end(false, 5);
    await producer.end(false, 5, second);
    await producer.end(true, 5, second);
    await producer.end(false, 5);
    await producer.describe();
    await producer.init();
    await producer.describe();
    await seen(side, 'x2', 2);
  }
  // One that never ended, and whoever comes after it.
  const zombie = await begun(side, 'zombie');
  await zombie.write('x2', 12);
  const late = zombie.identity;
  await zombie.init();
  await zombie.end(true, 5, late);
  await zombie.settled();
  await seen(side, 'x2', 2);
  const plain = batchOf(['plain'], { timestamp: side.base });
  await send(side, 'x2', plain, { version: 12, transactionalId: 'zombie', note: 'no transaction' });
}

export async function offsets(side: Side): Promise<void> {
  await side.makeTopic('x3', 1);
  const groups = ['tg-1', 'tg-2', 'tg-3'];
  await side.settle('FindCoordinator', 4, { coordinatorKeys: groups, keyType: 0 }, (a) =>
    a.coordinators.every((c: any) => c.errorCode === 0),
  );
  await ready(side, groups);
  const stable = async (group: string): Promise<void> => {
    for (const requireStable of [false, true]) {
      for (const topics of [[{ name: 'x1', partitionIndexes: [0, 1] }], null]) {
        await side.ask('OffsetFetch', 8, { groups: [{ groupId: group, topics }], requireStable });
      }
    }
  };
  for (const version of [0, 1, 2, 3, 4, 5]) {
    const producer = await begun(side, `offsets-${version}`);
    const end = version === 5 ? 5 : 4;
    const odd = version >= 3 ? [{ generationId: 4 }, { memberId: 'm' }, { groupId: '' }] : [];
    for (const committed of [true, false]) {
      if (version < 5) {
        await producer.offsets('tg-1', version);
        await producer.addOffsets('tg-1', Math.min(version, 4));
      }
      await producer.offsets('tg-1', version);
      for (const more of odd) await producer.offsets('tg-1', version, more);
      await stable('tg-1');
      await producer.end(committed, end);
      await stable('tg-1');
    }
    await producer.offsets('tg-2', version, { producerEpoch: 99 });
    await producer.offsets('tg-2', version, { producerId: 77_777 });
    await producer.offsets('tg-2', version, { transactionalId: 'nobody' });
  }
  const producer = await begun(side, 'offsets-odd');
  for (const version of [0, 1, 2, 3, 4]) {
    await producer.addOffsets('tg-3', version);
    const body = { transactionalId: 'nobody', producerId: 1, producerEpoch: 0 };
    const groupId = 'tg-3';
    await side.ask('AddOffsetsToTxn', version, { ...body, groupId });
    await side.ask('AddOffsetsToTxn', version, { ...body, groupId, transactionalId: '' });
    await side.ask('EndTxn', version, { ...body, committed: true });
    await side.ask('EndTxn', version, { ...body, transactionalId: '', committed: true });
  }
}

export async function described(side: Side): Promise<void> {
  await side.makeTopic('x4', 2);
  const producer = await begun(side, 'shown');
  await producer.init();
  await producer.write('x4', 12);
  await side.ask('DescribeProducers', 0, {
    topics: [
      { name: 'x4', partitionIndexes: [0, 1, 2, -1] },
      { name: 'absent', partitionIndexes: [0] },
      { name: 'a b', partitionIndexes: [0] },
    ],
  });
  await side.ask('DescribeTransactions', 0, { transactionalIds: ['shown', 'nobody', ''] });
  await side.ask('DescribeTransactions', 0, { transactionalIds: [] });
  const filters: readonly [number, object][] = [
    [0, { stateFilters: ['Ongoing'] }],
    [0, { stateFilters: ['Ongoing', 'Odd', 'Dead'] }],
    [0, { stateFilters: ['Odd'] }],
    [0, { producerIdFilters: [999_999] }],
    [1, { stateFilters: ['Ongoing'], durationFilter: 0 }],
    [1, { stateFilters: ['Ongoing'], durationFilter: 3_600_000 }],
    [1, { stateFilters: ['Ongoing'], durationFilter: -1 }],
    [2, { transactionalIdPattern: 'sho.*' }],
    [2, { transactionalIdPattern: 'sho' }],
    [2, { transactionalIdPattern: '' }],
    [2, { transactionalIdPattern: '(' }],
    [2, { transactionalIdPattern: null, stateFilters: ['Ongoing'] }],
  ];
  for (const [version, body] of filters) await side.ask('ListTransactions', version, { ...body });
  for (const version of [1, 2]) {
    const { identity } = producer;
    const marker = (more: object) => ({
      ...identity,
      transactionResult: false,
      coordinatorEpoch: 0,
      topics: [{ name: 'x4', partitionIndexes: [0, 9] }],
      ...more,
    });
    const write = async (note: string, more: object): Promise<void> => {
      const answer = await side.quietly('WriteTxnMarkers', version, { markers: [marker(more)] });
      side.keep(`WriteTxnMarkers v${version} ${note}`, answer);
    };
    await side.ask('WriteTxnMarkers', version, { markers: [] });
    await write('old epoch', { producerEpoch: identity.producerEpoch - 1 });
    await write('right', {});
    await write('again', {});
    await write('old coordinator', { coordinatorEpoch: -1 });
    await write('unknown topic', { topics: [{ name: 'absent', partitionIndexes: [0] }] });
    if (version === 2) {
      await write('version 2, same epoch', { transactionVersion: 2 });
      const producerEpoch = identity.producerEpoch + 1;
      await write('version 2, next epoch', { transactionVersion: 2, producerEpoch });
    }
  }
  await producer.end(false, 5);
  await side.ask('DescribeProducers', 0, { topics: [{ name: 'x4', partitionIndexes: [0] }] });
  await seen(side, 'x4', 1);
  const version4 = {
    transactions: [
      {
        transactionalId: 'shown',
        ...producer.identity,
        verifyOnly: true,
        topics: [{ name: 'x4', partitions: [0, 1] }],
      },
      {
        transactionalId: 'nobody',
        ...producer.identity,
        verifyOnly: false,
        topics: [{ name: 'x4', partitions: [0] }],
      },
      {
        transactionalId: 'shown-2',
        ...producer.identity,
        verifyOnly: true,
        topics: [{ name: 'absent', partitions: [0] }],
      },
    ],
  };
  for (const version of [4, 5]) {
    side.keep(
      `AddPartitionsToTxn v${version} of brokers`,
      await side.quietly('AddPartitionsToTxn', version, version4),
    );
  }
}

/** Producers of both versions, whose steps come in any order. */
export async function random(side: Side): Promise<void> {
  await side.makeTopic('x5', 2);
  const dice = seededRandom(5);
  const producers = [];
  for (let i = 0; i < 4; i++) producers.push(await begun(side, `random-${i}`));
  for (let i = 0; i < 150; i++) {
    const which = below(dice, producers.length);
    const producer = producers[which]!;
    const isSecond = which % 2 === 1;
    const step = below(dice, 10);
    if (step < 4) {
      const partition = below(dice, 2);
      if (!isSecond && below(dice, 5) > 0) await producer.add('x5', [partition]);
      await producer.write('x5', isSecond ? 12 : 11, { partition, sequence: below(dice, 3) });
    } else if (step < 7) await producer.end(below(dice, 2) === 0, isSecond ? 5 : 4);
    else if (step < 8) await producer.init();
    else if (step < 9) await producer.describe();
    else await seen(side, 'x5', 2);
  }
  for (const producer of producers) await producer.settled();
  await seen(side, 'x5', 2);
}
