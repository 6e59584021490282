/**
 * `groups`: how long a hundred members that all come at once take until each of them has what is
 * its own, in one generation (classic), or at one epoch with every partition given out (KIP-848).
 *
 * The members are bare connections of this process, so that what is measured is the coordinator's
 * work and the rounds that the protocol wants, not a client's intervals.
 */

import { systemClock } from '../../src/base/clock.ts';
import { nodeTransport } from '../../src/base/node-transport.ts';
import { type Call, calls } from '../../src/client/call.ts';
import { Connection } from '../../src/client/connection.ts';
import { apis } from '../../src/protocol/apis.ts';
import { ErrorCode, errorName } from '../../src/protocol/error-codes.ts';
import {
  consumerGroupHeartbeatRequest,
  consumerGroupHeartbeatResponse,
} from '../../src/protocol/messages/68-consumer-group-heartbeat.ts';
import type { Infer } from '../../src/protocol/schema.ts';
import { compare, cpuSeconds, type Figures, type Side } from './measure.ts';
import { createTopic, deleteTopic, type Server, startPeer, startWeir } from './servers.ts';

const MEMBERS = 100;
/** Groups that they join, one after the other, in one round. */
const JOINS = 10;
/** What a member waits before it asks again, milliseconds. */
const AGAIN_MS = 5;
const GIVEN_UP_MS = 60_000;
const TOPIC = 'groups';

/** None of our own clients uses it. */
const consumerGroupHeartbeat: Call<
  Infer<typeof consumerGroupHeartbeatRequest>,
  Infer<typeof consumerGroupHeartbeatResponse>
> = {
  ...apis.get(68)!,
  request: consumerGroupHeartbeatRequest,
  response: consumerGroupHeartbeatResponse,
};

let groups = 0;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const connect = ({ port }: Server): Promise<Connection> =>
  Connection.open({
    transport: nodeTransport,
    clock: systemClock,
    clientId: 'member',
    host: '127.0.0.1',
    port,
    connectTimeoutMs: 10_000,
    requestTimeoutMs: GIVEN_UP_MS,
    inFlightMax: 4,
    frameBytesMax: 16 * 1024 * 1024,
  });

/** What all members of a group know together: whether all of them are where they are to be. */
class Round {
  readonly groupId = `group-${process.pid}-${groups++}`;
  readonly #begunAt = performance.now();
  readonly #at = new Map<number, string>();
  /** Milliseconds until all were settled; -1: they are not yet. */
  tookMs = -1;

  /** The member is settled, in the generation or with the state so named. */
  settled(member: number, where: string): void {
    this.#at.set(member, where);
    if (this.#at.size < MEMBERS || new Set(this.#at.values()).size > 1) return;
    if (this.tookMs < 0) this.tookMs = performance.now() - this.#begunAt;
  }
  get isOver(): boolean {
    if (performance.now() - this.#begunAt > GIVEN_UP_MS) {
      throw new Error(
        `${this.groupId}: not stable after ${GIVEN_UP_MS} ms, ${this.#at.size} settled`,
      );
    }
    return this.tookMs >= 0;
  }
}

/** One member of the classic protocol: joins and joins again until nobody is missing. */
async function classic(connection: Connection, round: Round, member: number): Promise<void> {
  const { groupId } = round;
  // Of no client's own: a coordinator looks into what consumers say.
  const protocolType = 'bench';
  const protocols = [{ name: 'range', metadata: Buffer.from(`member ${member}`) }];
  let memberId = '';
  const asked = { groupId, sessionTimeoutMs: 45_000, rebalanceTimeoutMs: 60_000, protocolType };
  while (!round.isOver) {
    const joined = await connection.request(calls.joinGroup, {
      ...{ ...asked, memberId, protocols, groupInstanceId: null, reason: null },
    });
    memberId = joined.memberId;
    if (joined.errorCode !== ErrorCode.NONE) {
      if (joined.errorCode === ErrorCode.MEMBER_ID_REQUIRED) continue;
      if (joined.errorCode === ErrorCode.UNKNOWN_MEMBER_ID) memberId = '';
      await pause(AGAIN_MS);
      continue;
    }
    const { generationId } = joined;
    const isLeader = joined.leader === memberId;
    const synced = await connection.request(calls.syncGroup, {
      ...{ groupId, generationId, memberId, protocolType, protocolName: 'range' },
      groupInstanceId: null,
      assignments: isLeader
        ? joined.members.map((m) => ({ memberId: m.memberId, assignment: Buffer.from('mine') }))
        : [],
    });
    if (synced.errorCode === ErrorCode.NONE) round.settled(member, `${generationId}`);
    await untilRebalance(connection, round, { groupId, generationId, memberId });
  }
  const members = [{ memberId, groupInstanceId: null, reason: null }];
  await connection.request(calls.leaveGroup, { groupId, memberId, members });
}

async function untilRebalance(
  connection: Connection,
  round: Round,
  who: { groupId: string; generationId: number; memberId: string },
): Promise<void> {
  while (!round.isOver) {
    const { errorCode } = await connection.request(calls.heartbeat, {
      ...who,
      groupInstanceId: null,
    });
    if (errorCode !== ErrorCode.NONE) return;
    await pause(AGAIN_MS);
  }
}

/** One member of the consumer protocol: takes what it is given, and says so. */
async function consumer(connection: Connection, round: Round, member: number): Promise<void> {
  const { groupId } = round;
  const memberId = `${groupId}-${member}`;
  const heartbeat = (memberEpoch: number, topicPartitions: Owned | null, joins: boolean) =>
    connection.request(consumerGroupHeartbeat, {
      ...{ groupId, memberId, memberEpoch, topicPartitions },
      ...{ instanceId: null, rackId: null, subscribedTopicRegex: null, serverAssignor: null },
      rebalanceTimeoutMs: joins ? 60_000 : -1,
      subscribedTopicNames: joins ? [TOPIC] : null,
    });
  let epoch = 0;
  let owned: Owned = [];
  while (!round.isOver) {
    const answer = await heartbeat(epoch, epoch === 0 ? [] : owned, epoch === 0);
    if (answer.errorCode !== ErrorCode.NONE) {
      throw new Error(`${errorName(answer.errorCode)}: ${answer.errorMessage}`);
    }
    epoch = answer.memberEpoch;
    if (answer.assignment !== null) owned = answer.assignment.topicPartitions;
    // As many partitions as members: with one each, at one epoch, nothing is left to be done.
    const count = owned.reduce((sum, { partitions }) => sum + partitions.length, 0);
    if (count === 1) round.settled(member, `${epoch}`);
    await pause(AGAIN_MS);
  }
  await heartbeat(-1, null, false);
}

type Owned = { topicId: string; partitions: number[] }[];

/** The topic of the groups is made by the first one who asks for a coordinator. */
async function hasCoordinator(connection: Connection): Promise<void> {
  const begunAt = performance.now();
  for (;;) {
    const asked = { key: 'group', keyType: 0, coordinatorKeys: ['group'] };
    const { coordinators } = await connection.request(calls.findCoordinator, asked);
    if (coordinators[0]?.errorCode === ErrorCode.NONE) return;
    if (performance.now() - begunAt > GIVEN_UP_MS) throw new Error('no coordinator');
    await pause(100);
  }
}

async function joinAll(server: Server, member: typeof classic, kind: string): Promise<Figures> {
  const connections = await Promise.all(Array.from({ length: MEMBERS }, () => connect(server)));
  await hasCoordinator(connections[0]!);
  const times: number[] = [];
  const before = cpuSeconds(server.pid);
  try {
    for (let i = 0; i < JOINS; i++) {
      const round = new Round();
      await Promise.all(connections.map((connection, at) => member(connection, round, at)));
      times.push(round.tookMs);
    }
  } finally {
    for (const connection of connections) connection.close();
  }
  return {
    [`${kind}: ms until stable, mean`]: times.reduce((sum, ms) => sum + ms, 0) / JOINS,
    [`${kind}: ms until stable, longest`]: Math.max(...times),
    [`${kind}: broker CPU-s`]: cpuSeconds(server.pid) - before,
  };
}

export async function groupsBench(rounds: number): Promise<void> {
  const weir = await startWeir({ settings: ['broker.group.initial.rebalance.delay.ms=0'] });
  const peer = await startPeer();
  try {
    for (const server of [weir, peer]) await createTopic(server, TOPIC, MEMBERS);
    const side = (server: Server): Side => ({
      name: server.name,
      round: async () => ({
        ...(await joinAll(server, classic, 'classic')),
        ...(await joinAll(server, consumer, 'consumer')),
      }),
    });
    await compare(`${MEMBERS} members join ${JOINS} times`, side(weir), side(peer), rounds);
    for (const server of [weir, peer]) await deleteTopic(server, TOPIC);
  } finally {
    await weir.stop();
    await peer.stop();
  }
}
