/** Records that begin a transaction while the one before it is still being ended. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import type { RequestContext } from '../../../src/broker/handler.ts';
import { TransactionLinks } from '../../../src/broker/transaction-links.ts';
import { verifyBeforeAppend } from '../../../src/broker/transactional-produce.ts';
import { VerifyingProduces } from '../../../src/broker/verifying-produces.ts';
import type { MetadataImage } from '../../../src/cluster/metadata-image.ts';
import type { Partitions } from '../../../src/cluster/partitions.ts';
import type { Peers } from '../../../src/cluster/peers.ts';
import { TRANSACTIONS_TOPIC } from '../../../src/cluster/topic-names.ts';
import { TransactionPeers } from '../../../src/cluster/transaction-peers.ts';
import type { Identity } from '../../../src/coordinator/transactions/transaction-coordinator.ts';
import { Verification } from '../../../src/log/verification.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { BatchAttribute } from '../../../src/protocol/record-batch.ts';
import { RecordBatchBuilder } from '../../../src/protocol/record-batch-builder.ts';
import { settle } from '../coordinator/step-clock.ts';
import { TransactionRig } from '../coordinator/transactions/rig.ts';

const HERE = 1;
const ELSEWHERE = 2;
const PRODUCE_VERSION = 12;
const { CONCURRENT_TRANSACTIONS, NONE } = ErrorCode;

/** The leader of partition 0 of topic `a`, and the coordinator of `tx`, here or elsewhere. */
class Leader {
  /** Milliseconds at which the other broker was asked, and what it answers, the last one for ever. */
  readonly askedAt: number[] = [];
  readonly answers: number[];
  readonly rig: TransactionRig;
  readonly #context: RequestContext;

  constructor(rig: TransactionRig, coordinator: number, answers: number[] = []) {
    const { clock } = rig;
    this.rig = rig;
    this.answers = answers;
    const log = { startVerification: () => new Verification(clock.now(), 0, 0, true) };
    const partition = { index: 0, topic: 'a', isOffline: false, isLeader: true, log };
    const partitions = { topic: () => ({ name: 'a' }), get: () => partition };
    const leaders = (leader: number) => ({ partitions: [{ leader }, { leader }] });
    const image = {
      topic: (name: string) => leaders(name === TRANSACTIONS_TOPIC ? coordinator : HERE),
    };
    const peers = { send: () => Promise.resolve(this.#answer()) } as unknown as Peers;
    const transactionLinks = new TransactionLinks({
      nodeId: HERE,
      image: image as unknown as MetadataImage,
      partitions: partitions as unknown as Partitions,
      peers: new TransactionPeers(peers),
      clock,
      logger: silentLogger,
      transactions: () => rig.coordinator,
      writeMarkers: () => Promise.reject(new Error('no markers are written here')),
    });
    const verifying = new VerifyingProduces();
    const broker = { partitions, verifying, transactionLinks, clock };
    this.#context = { apiVersion: PRODUCE_VERSION, broker } as unknown as RequestContext;
  }

  #answer() {
    this.askedAt.push(this.rig.clock.monotonic());
    const partitionErrorCode = this.answers.length > 1 ? this.answers.shift() : this.answers[0];
    const resultsByPartition = [{ partitionIndex: 0, partitionErrorCode }];
    const topicResults = [{ name: 'a', resultsByPartition }];
    return { errorCode: NONE, resultsByTransaction: [{ transactionalId: 'tx', topicResults }] };
  }

  /** Resolves when the records may be appended, or not, with what is said of that and when. */
  async produce({ producerId: id, producerEpoch: epoch }: Identity) {
    const builder = new RecordBatchBuilder({ attributes: BatchAttribute.transactional });
    builder.append(0, null, Buffer.from('value'));
    const records = builder.build({ id, epoch, baseSequence: 0 });
    const request = {
      transactionalId: 'tx',
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ name: 'a', topicId: '', partitionData: [{ index: 0, records }] }],
    };
    const verified = await verifyBeforeAppend(request, this.#context, (_, all) => all);
    return { code: verified?.get('0 a')?.code, atMs: this.rig.clock.monotonic() };
  }
}

const NOBODY = { code: NONE, producerId: 7, producerEpoch: 1 };

describe('the coordinator of a transaction behind one that is being ended', () => {
  it('is asked again after 1, 2, 4 ms and so on up to 20, for 100 ms, where it is elsewhere', async () => {
    const leader = new Leader(await TransactionRig.start(), ELSEWHERE, [CONCURRENT_TRANSACTIONS]);
    const began = leader.rig.clock.monotonic();
    const refused = leader.produce(NOBODY);
    await leader.rig.clock.pass(1_000);
    const { code, atMs } = await refused;
    expect(code).toBe(CONCURRENT_TRANSACTIONS);
    expect(atMs - began).toBe(100);
    const after = leader.askedAt.map((at) => at - began);
    expect(after).toEqual([0, 1, 3, 7, 15, 31, 51, 71, 91, 100]);
  });

  it('makes nobody wait for long whose markers are written soon', async () => {
    const answers = [CONCURRENT_TRANSACTIONS, CONCURRENT_TRANSACTIONS, NONE];
    const leader = new Leader(await TransactionRig.start(), ELSEWHERE, answers);
    const began = leader.rig.clock.monotonic();
    const verified = leader.produce(NOBODY);
    await leader.rig.clock.pass(3);
    expect(leader.askedAt.map((at) => at - began)).toEqual([0, 1, 3]);
    expect((await verified).code).toBe(NONE);
  });

  it('lets the records go on as soon as the markers are written, where it is here', async () => {
    const rig = await TransactionRig.start();
    const leader = new Leader(rig, HERE);
    const first = await rig.init();
    await rig.add(first, { a: [0] });
    const gate = Promise.withResolvers<void>();
    rig.leaders.gate = gate.promise;
    const producer = await rig.end(first, true);
    const verified = leader.produce(producer);
    await rig.clock.pass(50);
    const releasedAt = rig.clock.monotonic();
    gate.resolve();
    await settle();
    expect(await verified).toEqual({ code: NONE, atMs: releasedAt });
    expect(rig.state()).toBe('Ongoing');
  });

  it('refuses them after 100 ms, where it is here', async () => {
    const rig = await TransactionRig.start();
    const leader = new Leader(rig, HERE);
    const first = await rig.init();
    await rig.add(first, { a: [0] });
    rig.leaders.gate = new Promise(() => {});
    const refused = leader.produce(await rig.end(first, true));
    await rig.clock.pass(100);
    expect((await refused).code).toBe(CONCURRENT_TRANSACTIONS);
  });
});
