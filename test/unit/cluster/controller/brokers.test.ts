import { describe, expect, it } from 'vitest';
import { LOST_DIRECTORY } from '../../../../src/cluster/lost-replicas.ts';
import { NO_LEADER } from '../../../../src/cluster/metadata-image.ts';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { GRACE_MS, Harness, SESSION_MS, settled } from './harness.ts';

const MIN_ISR_2 = { 'min.insync.replicas': '2' };

describe('a broker that registers', () => {
  it('stays outside until it has caught up with its registration', async () => {
    const harness = new Harness();
    const epoch = await harness.register(1);
    expect(harness.broker(1)).toMatchObject({ epoch, fenced: true });
    expect(await harness.heartbeat(1, { offset: epoch - 1 })).toMatchObject({
      isCaughtUp: false,
      isFenced: true,
    });
    expect(await harness.heartbeat(1)).toMatchObject({ isCaughtUp: true, isFenced: false });
    expect(harness.broker(1).fenced).toBe(false);
  });

  it('stays outside while it wants to', async () => {
    const harness = new Harness();
    await harness.register(1);
    expect((await harness.heartbeat(1, { fence: true })).isFenced).toBe(true);
  });

  it('gets a greater epoch with every life', async () => {
    const harness = new Harness();
    const first = await harness.register(1);
    const second = await harness.register(1);
    expect(second).toBeGreaterThan(first);
  });

  it('keeps its epoch, and stays in, when the same life registers again', async () => {
    const harness = new Harness();
    const epoch = await harness.register(1, { incarnation: 'same' });
    await harness.heartbeat(1);
    expect(await harness.register(1, { incarnation: 'same' })).toBe(epoch);
    expect(harness.broker(1).fenced).toBe(false);
  });

  it('is refused with the id of another cluster', async () => {
    await expect(new Harness().register(1, { clusterId: 'another' })).rejects.toMatchObject({
      code: ErrorCode.INCONSISTENT_CLUSTER_ID,
    });
  });

  it('is refused while another with its id is alive', async () => {
    const harness = new Harness();
    await harness.join(1);
    await expect(harness.register(1)).rejects.toMatchObject({
      code: ErrorCode.DUPLICATE_BROKER_REGISTRATION,
    });
  });

  it('takes the place of another whose connection is gone', async () => {
    const harness = new Harness();
    await harness.join(1);
    harness.controller.connectionClosed(1, 101);
    await harness.register(1);
    expect(harness.broker(1).fenced).toBe(true);
  });

  it('is refused with a directory of another broker, or one twice', async () => {
    const harness = new Harness();
    await harness.register(1, { logDirs: ['a'] });
    for (const logDirs of [['a'], ['b', 'b']]) {
      await expect(harness.register(2, { logDirs })).rejects.toMatchObject({
        code: ErrorCode.INVALID_REGISTRATION,
      });
    }
  });

  it('loses what it led before, which others lead in a new term', async () => {
    const harness = new Harness();
    await harness.join(1, 2);
    await harness.createTopic('t', [[1, 2]]);
    harness.controller.connectionClosed(1, 101);
    await harness.register(1);
    expect(harness.partition('t')).toMatchObject({ leader: 2, isr: [2], leaderEpoch: 1 });
  });

  it('leads again what nobody else has, in a new term', async () => {
    const harness = new Harness();
    await harness.join(1);
    await harness.createTopic('t', [[1]]);
    harness.controller.connectionClosed(1, 101);
    await harness.register(1);
    expect(harness.partition('t')).toMatchObject({
      leader: NO_LEADER,
      isr: [],
      elr: [1],
      lastKnownElr: [1],
      leaderEpoch: 1,
    });
    await harness.heartbeat(1);
    expect(harness.partition('t')).toMatchObject({ leader: 1, isr: [1], leaderEpoch: 2 });
  });
});

describe('a broker that stopped uncleanly', () => {
  async function afterUncleanStop(given: Record<string, boolean>, clean: boolean) {
    const harness = new Harness(given);
    await harness.join(1, 2, 3);
    await harness.createTopic('t', [[1, 2, 3]], MIN_ISR_2);
    for (const id of [3, 2]) {
      harness.controller.connectionClosed(id, id + 100);
      await harness.pass(GRACE_MS + 100, [1]);
    }
    expect(harness.partition('t')).toMatchObject({ leader: 1, isr: [1], elr: [2] });
    await harness.register(2, { previousEpoch: clean ? harness.broker(2).epoch : -1 });
    return harness;
  }

  it('stays eligible where acknowledged records are on the device', async () => {
    const harness = await afterUncleanStop({ 'log.flush.on.acks.all': true }, false);
    expect(harness.partition('t').elr).toEqual([2]);
  });

  it('is not eligible any more where they are not', async () => {
    const harness = await afterUncleanStop({ 'log.flush.on.acks.all': false }, false);
    expect(harness.partition('t')).toMatchObject({ leader: 1, isr: [1], elr: [] });
  });

  it('stays eligible after a clean stop in any case', async () => {
    const harness = await afterUncleanStop({ 'log.flush.on.acks.all': false }, true);
    expect(harness.partition('t').elr).toEqual([2]);
  });

  it('does not lead when it comes back with another disk', async () => {
    const harness = new Harness();
    await harness.join(1, 2);
    await harness.createTopic('t', [[1, 2]]);
    harness.controller.connectionClosed(2, 102);
    await harness.pass(GRACE_MS + 100, [1]);
    harness.controller.connectionClosed(1, 101);
    await harness.register(1, { logDirs: ['another'] });
    await harness.heartbeat(1);
    expect(harness.partition('t')).toMatchObject({ leader: NO_LEADER, lastKnownElr: [1, 2] });
    await harness.register(2);
    await harness.heartbeat(2);
    expect(harness.partition('t').leader).toBe(NO_LEADER);
    const { controller } = harness;
    const all = { topicPartitions: null, timeoutMs: 1000 };
    await controller.electLeaders({ ...all, electionType: 1 });
    expect(harness.partition('t')).toMatchObject({ leader: 2, isr: [2] });
    expect(controller.stats.uncleanElections).toBe(1);
  });

  it('does not lead when it comes back with its disk as it was in an earlier life', async () => {
    const harness = new Harness({ 'log.flush.on.acks.all': true });
    await harness.join(1, 2);
    const { epoch } = harness.broker(1);
    harness.controller.connectionClosed(1, 101);
    await harness.register(1, { previousEpoch: epoch });
    await harness.heartbeat(1);
    await harness.createTopic('t', [[1, 2]]);
    harness.controller.connectionClosed(2, 102);
    await harness.pass(GRACE_MS + 100, [1]);
    harness.controller.connectionClosed(1, 101);
    // What every life takes away before it registers is there again.
    await harness.register(1, { previousEpoch: epoch });
    await harness.heartbeat(1);
    expect(harness.partition('t')).toMatchObject({ leader: NO_LEADER, isr: [], elr: [] });
  });
});

describe('a broker that falls silent', () => {
  it('is taken out when its session ends, and its leaderships move', async () => {
    const harness = new Harness();
    await harness.join(1, 2);
    await harness.createTopic('t', [[1, 2]]);
    await harness.pass(SESSION_MS - 200, [2]);
    expect(harness.broker(1).fenced).toBe(false);
    await harness.pass(300, [2]);
    expect(harness.broker(1).fenced).toBe(true);
    expect(harness.partition('t')).toMatchObject({ leader: 2, isr: [2] });
    expect(harness.controller.stats).toMatchObject({ sessionsExpired: 1, elections: 1 });
  });

  it('is taken out soon after its connection is gone', async () => {
    const harness = new Harness();
    await harness.join(1, 2);
    harness.controller.connectionClosed(1, 101);
    await harness.pass(GRACE_MS - 50, [2]);
    expect(harness.broker(1).fenced).toBe(false);
    await harness.pass(100, [2]);
    expect(harness.broker(1).fenced).toBe(true);
  });

  it('stays when it is heard of again within the grace', async () => {
    const harness = new Harness();
    await harness.join(1);
    harness.controller.connectionClosed(1, 101);
    harness.clock.advance(GRACE_MS - 50);
    await harness.heartbeat(1, {}, 500);
    await harness.pass(1_000);
    expect(harness.broker(1).fenced).toBe(false);
  });

  it('stays when an older connection of it is closed', async () => {
    const harness = new Harness();
    await harness.join(1);
    await harness.heartbeat(1, {}, 500);
    harness.controller.connectionClosed(1, 101);
    await harness.pass(GRACE_MS * 2);
    expect(harness.broker(1).fenced).toBe(false);
  });

  it('is let in again when it is back', async () => {
    const harness = new Harness();
    await harness.join(1);
    await harness.pass(SESSION_MS + 200);
    expect(harness.broker(1).fenced).toBe(true);
    expect((await harness.heartbeat(1)).isFenced).toBe(false);
  });

  it('is not taken out for a controller that stood still itself', async () => {
    const harness = new Harness();
    await harness.join(1);
    harness.clock.stall(SESSION_MS * 10);
    harness.clock.advance(0);
    await settled();
    expect(harness.broker(1).fenced).toBe(false);
    await harness.pass(SESSION_MS + 200);
    expect(harness.broker(1).fenced).toBe(true);
  });

  it('is refused with the epoch of an earlier life', async () => {
    const harness = new Harness();
    await harness.join(1);
    harness.epochs.set(1, 0 - 5);
    await expect(harness.heartbeat(1)).rejects.toMatchObject({
      code: ErrorCode.STALE_BROKER_EPOCH,
    });
    await expect(harness.heartbeat(7)).rejects.toMatchObject({
      code: ErrorCode.STALE_BROKER_EPOCH,
    });
  });

  it('is not taken for one because of what comes late by an earlier connection', async () => {
    const harness = new Harness();
    await harness.join(1, 2);
    await harness.heartbeat(1, {}, 201);
    // What its host had kept while nothing got through, and the end of that connection.
    await harness.heartbeat(1, {}, 101);
    harness.controller.connectionClosed(1, 101);
    await harness.pass(GRACE_MS + 100, [2]);
    expect(harness.broker(1).fenced).toBe(false);
    harness.controller.connectionClosed(1, 201);
    await harness.pass(GRACE_MS + 100, [2]);
    expect(harness.broker(1).fenced).toBe(true);
  });
});

describe('a controller that begins', () => {
  it('gives every broker a whole session before it takes it out', async () => {
    const harness = new Harness();
    await harness.join(1, 2);
    await harness.pass(SESSION_MS - 200, []);
    harness.store.setActive(false);
    await harness.pass(SESSION_MS * 2);
    harness.store.setActive(true);
    await harness.pass(SESSION_MS - 200, [2]);
    expect(harness.broker(1).fenced).toBe(false);
    await harness.pass(400, [2]);
    expect([harness.broker(1).fenced, harness.broker(2).fenced]).toEqual([true, false]);
  });

  it('does not wait long for the one before it, when the connection to that is gone', async () => {
    const harness = new Harness();
    await harness.join(1, 2);
    harness.store.setActive(false);
    harness.controller.peerLost(1);
    await harness.pass(500);
    harness.store.setActive(true);
    await harness.pass(GRACE_MS + 100, [2]);
    expect([harness.broker(1).fenced, harness.broker(2).fenced]).toEqual([true, false]);
  });

  it('waits for a broker that it had lost long before', async () => {
    const harness = new Harness();
    await harness.join(1);
    harness.store.setActive(false);
    harness.controller.peerLost(1);
    await harness.pass(SESSION_MS + 100);
    harness.store.setActive(true);
    await harness.pass(SESSION_MS - 200);
    expect(harness.broker(1).fenced).toBe(false);
  });

  it('waits for a broker that has begun another life since', async () => {
    const harness = new Harness();
    await harness.join(1);
    const { store, controller } = harness;
    const { id: brokerId, epoch: brokerEpoch, ...rest } = harness.broker(1);
    store.setActive(false);
    controller.peerLost(1);
    const value = { brokerId, brokerEpoch: brokerEpoch + 1, ...rest };
    store.commit([
      {
        type: 'RegisterBroker',
        value: {
          ...value,
          endPoints: [...rest.endPoints],
          logDirs: [...rest.logDirs],
          features: [...rest.features],
        },
      },
    ]);
    store.setActive(true);
    await harness.pass(SESSION_MS - 200);
    expect(harness.broker(1).fenced).toBe(false);
  });

  it('goes by heartbeats, not by connections to a broker, once there are some', async () => {
    const harness = new Harness();
    await harness.join(1);
    harness.controller.peerLost(1);
    await harness.pass(GRACE_MS * 4);
    expect(harness.broker(1).fenced).toBe(false);
  });

  it('takes a new life of a broker that the last one had heard of', async () => {
    const harness = new Harness();
    await harness.join(1);
    harness.store.setActive(false);
    harness.store.setActive(true);
    await harness.register(1);
    expect(harness.broker(1).fenced).toBe(true);
  });

  it('decides nothing while it is not active', async () => {
    const harness = new Harness({}, false);
    await expect(harness.register(1)).rejects.toMatchObject({ code: ErrorCode.NOT_CONTROLLER });
    await expect(harness.heartbeat(1)).rejects.toMatchObject({ code: ErrorCode.NOT_CONTROLLER });
    await expect(harness.createTopic('t', [[1]])).rejects.toMatchObject({
      code: ErrorCode.NOT_CONTROLLER,
    });
  });

  it('finds leaders for what has none', async () => {
    const harness = new Harness();
    await harness.join(1, 2);
    await harness.createTopic('t', [[1, 2]]);
    const before = harness.partition('t');
    harness.store.setActive(false);
    harness.store.commit([
      {
        type: 'PartitionChange',
        value: {
          topicId: before.topicId,
          partitionId: 0,
          replicas: [1, 2],
          isr: [2],
          leader: NO_LEADER,
          leaderEpoch: 7,
          partitionEpoch: 9,
          adding: [],
          removing: [],
          elr: [],
          lastKnownElr: [],
          leaderRecoveryState: 0,
        },
      },
    ]);
    harness.store.setActive(true);
    await settled();
    expect(harness.partition('t')).toMatchObject({ leader: 2, leaderEpoch: 8 });
  });
});

describe('a broker that stops in order', () => {
  it('may go when its leaderships have moved and all others know', async () => {
    const harness = new Harness();
    await harness.join(1, 2);
    await harness.createTopic('t', [[1, 2]]);
    const left = await harness.heartbeat(1, { shutDown: true });
    expect(left).toMatchObject({ isFenced: false, shouldShutDown: false });
    expect(harness.partition('t')).toMatchObject({ leader: 2, isr: [2] });
    expect(harness.broker(1).inControlledShutdown).toBe(true);
    expect((await harness.heartbeat(1, { shutDown: true })).shouldShutDown).toBe(false);
    await harness.heartbeat(2);
    const gone = await harness.heartbeat(1, { shutDown: true });
    expect(gone).toMatchObject({ isFenced: true, shouldShutDown: true });
  });

  it('may go at once when it leads nothing, and leaves every ISR', async () => {
    const harness = new Harness();
    await harness.join(1, 2);
    await harness.createTopic('t', [[1, 2]]);
    const answer = await harness.heartbeat(2, { shutDown: true });
    expect(answer).toMatchObject({ isFenced: true, shouldShutDown: true });
    expect(harness.partition('t').isr).toEqual([1]);
  });

  it('gets no new replicas meanwhile', async () => {
    const harness = new Harness();
    await harness.join(1, 2);
    await harness.createTopic('t', [[1, 2]]);
    await harness.heartbeat(1, { shutDown: true });
    const [outcome] = await harness.controller.createTopics(
      [{ name: 'u', numPartitions: 4, replicationFactor: 1, assignments: [], configs: [] }],
      false,
    );
    expect(outcome).toHaveProperty('value');
    for (let i = 0; i < 4; i++) expect(harness.partition('u', i).replicas).toEqual([2]);
  });
});

describe('a broker whose directories fail', () => {
  it('is taken out when all of them have', async () => {
    const harness = new Harness();
    await harness.join(1);
    expect((await harness.heartbeat(1, { offline: ['directory-1'] })).isFenced).toBe(true);
    expect((await harness.heartbeat(1, { offline: ['directory-1'] })).isFenced).toBe(true);
    expect(harness.broker(1).logDirs).toEqual(['directory-1']);
  });

  it('stays with the others, and loses what was in the failed one', async () => {
    const harness = new Harness();
    await harness.register(1, { logDirs: ['a', 'b'] });
    await harness.heartbeat(1);
    await harness.join(2);
    await harness.createTopic('t', [
      [1, 2],
      [1, 2],
    ]);
    expect((await harness.heartbeat(1, { offline: ['b'] })).isFenced).toBe(false);
    expect(harness.broker(1).logDirs).toEqual(['a']);
    const topics = [{ topicId: harness.topicId('t'), partitions: [{ partitionIndex: 1 }] }];
    await harness.controller.assignReplicas({
      brokerId: 1,
      brokerEpoch: harness.epochs.get(1)!,
      directories: [{ id: LOST_DIRECTORY, topics }],
    });
    expect(harness.partition('t', 0).leader).toBe(1);
    expect(harness.partition('t', 1)).toMatchObject({ leader: 2, isr: [2] });
  });
});

describe('a broker that is unregistered', () => {
  it('is forgotten, and nobody waits for it', async () => {
    const harness = new Harness();
    await harness.join(1, 2);
    await harness.createTopic('t', [[1, 2]]);
    await harness.heartbeat(1, { fence: true });
    await harness.controller.unregisterBroker(1);
    expect(harness.store.image.brokers.has(1)).toBe(false);
    expect(harness.partition('t')).toMatchObject({ leader: 2, isr: [2], elr: [] });
  });

  it('must be out of service', async () => {
    const harness = new Harness();
    await harness.join(1, 2);
    await expect(harness.controller.unregisterBroker(1)).rejects.toMatchObject({
      code: ErrorCode.INVALID_REQUEST,
    });
    expect(harness.store.image.brokers.has(1)).toBe(true);
  });

  it('must be known', async () => {
    await expect(new Harness().controller.unregisterBroker(3)).rejects.toMatchObject({
      code: ErrorCode.BROKER_ID_NOT_REGISTERED,
    });
  });
});

describe('producer ids', () => {
  it('are given in blocks to brokers that are registered', async () => {
    const harness = new Harness();
    const epoch = await harness.register(1);
    const first = await harness.controller.allocateProducerIds(1, epoch);
    const second = await harness.controller.allocateProducerIds(1, epoch);
    expect(second.first).toBe(first.first + first.count);
    await expect(harness.controller.allocateProducerIds(1, epoch - 1)).rejects.toMatchObject({
      code: ErrorCode.STALE_BROKER_EPOCH,
    });
  });
});
