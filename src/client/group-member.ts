/**
 * A member of a consumer group (classic protocol, range assignor, eager rebalances).
 *
 * Between `onAssigned` and `onRevoked` the partitions are this member's alone. A rebalance waits for
 * `onRevoked`, so that it can finish its work and commit; heartbeats go on meanwhile. When the
 * coordinator has given the partitions to others already (`lost`), commits are refused.
 * The member joins again by itself after anything but a fence of its static id, and a refusal that
 * only a person can change, unless it is patient.
 */
import { sleep } from '../base/clock.ts';
import { OperatingError, reasonOf } from '../base/errors.ts';
import { ErrorCode, errorName, ProtocolError } from '../protocol/error-codes.ts';
import type { joinGroupResponse } from '../protocol/messages/11-join-group.ts';
import type { Infer } from '../protocol/schema.ts';
import { backoffMs } from './backoff.ts';
import { calls } from './call.ts';
import type { Client, Lane } from './client.ts';
import { Coordinator } from './coordinator.ts';
import {
  type CommittedOffset,
  commitOffsets,
  fetchOffsets,
  type OffsetToCommit,
} from './group-offsets.ts';
import { GroupSharing } from './group-sharing.ts';
import { Heartbeat } from './heartbeat.ts';
import type { TopicPartition } from './list-offsets.ts';
import { decodeAssignment, encodeSubscription } from './range-assignor.ts';

export interface GroupMemberOptions {
  readonly groupId: string;
  readonly topics: readonly string[];
  /** The partitions are this member's now. */
  readonly onAssigned: (partitions: readonly TopicPartition[]) => Promise<void> | void;
  /** Finish and commit: when this resolves the partitions are others'. `lost`: they are already. */
  readonly onRevoked: (
    partitions: readonly TopicPartition[],
    lost: boolean,
  ) => Promise<void> | void;
  /** Waits for what only a person can change (no permission, a full group, …). */
  readonly isPatient?: boolean;
  /** The member has stopped for good: FENCED_INSTANCE_ID, or a refusal that it does not wait for. */
  readonly onFatal?: (error: Error) => void;
  readonly groupInstanceId?: string;
  readonly sessionTimeoutMs?: number;
  readonly heartbeatIntervalMs?: number;
  /** How long members have for `onRevoked` and for coming back. */
  readonly rebalanceTimeoutMs?: number;
}

type JoinResponse = Infer<typeof joinGroupResponse>;

/** What the heartbeat's answers or the cluster ask for. */
type Interruption = 'rebalance' | 'lost' | 'leave';

const HEARTBEAT_INTERVAL_MS = 3000;
const PROTOCOL_TYPE = 'consumer';
const PROTOCOL_NAME = 'range';
/** Beyond the rebalance timeout, within which a join is answered at the latest. */
const JOIN_GRACE_MS = 5000;

/** Refusals that waiting alone does not change. */
const REFUSALS: ReadonlySet<number> = new Set([
  ErrorCode.GROUP_AUTHORIZATION_FAILED,
  ErrorCode.INVALID_SESSION_TIMEOUT,
  ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
  ErrorCode.INVALID_GROUP_ID,
  ErrorCode.GROUP_MAX_SIZE_REACHED,
]);

export class GroupMember {
  /** Rebalances that this member went through, and what is assigned. */
  readonly counters = { rebalances: 0, heartbeats: 0, commits: 0, commitFailures: 0 };
  readonly #client: Client;
  readonly #options: GroupMemberOptions;
  readonly #sessionTimeoutMs: number;
  readonly #rebalanceTimeoutMs: number;
  readonly #coordinator: Coordinator;
  readonly #lane: Lane;
  readonly #heartbeat: Heartbeat;
  readonly #sharing: GroupSharing;
  #memberId = '';
  #generationId = -1;
  #assigned: readonly TopicPartition[] = [];
  #isAssigned = false;
  #interrupt: ((why: Interruption) => void) | null = null;
  #running: Promise<void> | null = null;
  #isJoining = false;
  #fault = '';
  /** Attempts in a row that ended without partitions. */
  #failures = 0;
  #leaving = false;
  #fenced: ProtocolError | null = null;

  constructor(client: Client, options: GroupMemberOptions) {
    this.#client = client;
    this.#options = options;
    this.#sessionTimeoutMs = options.sessionTimeoutMs ?? 45_000;
    this.#rebalanceTimeoutMs = options.rebalanceTimeoutMs ?? 60_000;
    this.#coordinator = new Coordinator(client, options.groupId);
    this.#lane = client.newLane('group');
    this.#sharing = new GroupSharing(client.metadata);
    this.#heartbeat = new Heartbeat(
      {
        intervalMs: options.heartbeatIntervalMs ?? HEARTBEAT_INTERVAL_MS,
        sessionMs: this.#sessionTimeoutMs,
      },
      client,
      {
        send: () => this.#sendHeartbeat(),
        refused: (code) => {
          if (code === ErrorCode.REBALANCE_IN_PROGRESS) this.#interrupt?.('rebalance');
          else this.#evicted(code);
        },
        expired: () => this.#interrupt?.('lost'),
      },
    );
  }

  get memberId(): string {
    return this.#memberId;
  }
  /** -1 while it is no member. */
  get generationId(): number {
    return this.#generationId;
  }
  /** What keeps it from its partitions; '' while it has them, and before the first attempt has failed. */
  get fault(): string {
    return this.#fault;
  }
  get assigned(): readonly TopicPartition[] {
    return this.#assigned;
  }

  /** Joins in the background and stays until `leave`. */
  start(): void {
    if (this.#running !== null) return;
    for (const topic of this.#options.topics) this.#client.metadata.watch(topic);
    const stopListening = this.#client.metadata.onUpdate(() => {
      if (this.#sharing.hasGrown) this.#interrupt?.('rebalance');
    });
    this.#running = this.#run().finally(() => {
      stopListening();
      this.#heartbeat.stop();
      this.#client.releaseLane(this.#lane);
    });
  }

  /**
   * Commits in this member's name. Rejects with ProtocolError REBALANCE_IN_PROGRESS,
   * ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID when the partitions are not its own
   * any more.
   */
  async commit(
    offsets: ReadonlyMap<string, ReadonlyMap<number, number>> | readonly OffsetToCommit[],
  ): Promise<void> {
    const list = isList(offsets) ? offsets : flatten(offsets);
    const committer = {
      generationId: this.#generationId,
      memberId: this.#memberId,
      groupInstanceId: this.#options.groupInstanceId ?? null,
    };
    try {
      await commitOffsets(this.#coordinator, committer, list);
      this.counters.commits++;
    } catch (error) {
      this.counters.commitFailures++;
      // What is said of a generation that is over says nothing of the present one.
      const isPresent =
        committer.generationId === this.#generationId && committer.memberId === this.#memberId;
      if (isPresent && error instanceof ProtocolError) this.#evicted(error.code);
      throw error;
    }
  }

  /** What the group has committed for these partitions, or for the assigned ones; -1: nothing. */
  committed(partitions: readonly TopicPartition[] = this.#assigned): Promise<CommittedOffset[]> {
    if (partitions.length === 0) return Promise.resolve([]);
    return fetchOffsets(this.#client, this.#coordinator, partitions);
  }

  /**
   * Revokes, leaves (a static member keeps its place) and stops. Resolves when that is done; rejects
   * with what `onRevoked` has, and then it is done all the same.
   */
  async leave(): Promise<void> {
    this.#leaving = true;
    this.#interrupt?.('leave');
    // A join is answered when all other members have come, for which nobody waits who leaves.
    if (this.#isJoining) this.#client.releaseLane(this.#lane);
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#leaving) {
      try {
        this.#isJoining = true;
        await this.#join().finally(() => {
          this.#isJoining = false;
        });
        const why = await this.#stay();
        if (why === 'leave') break;
        await this.#revoke(why === 'lost');
        if (why === 'lost') this.#forgetMembership();
        if (this.#fenced !== null) throw this.#fenced;
      } catch (error) {
        if (!this.#isPassing(error)) {
          await this.#revoke(true);
          this.#options.onFatal?.(error as Error);
          return;
        }
        const reason = reasonOf(error);
        // Told once, until something changes.
        if (reason !== this.#fault) {
          const fields = { 'kafka.group': this.#options.groupId, 'error.message': reason };
          const { logger } = this.#client;
          if (isRefusal(error)) logger.warn('refused by the group; joining again', fields);
          else logger.info('joining the group again', fields);
        }
        this.#fault = reason;
        this.#failures++;
        await this.#interruptible(
          sleep(
            this.#client.clock,
            backoffMs(this.#client.retryBackoff, this.#failures, this.#client.random),
          ),
        );
      }
    }
    try {
      await this.#revoke(false);
    } finally {
      await this.#sayGoodbye();
    }
  }

  /** Ends early when the member is to leave. */
  async #interruptible(wait: Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#interrupt = () => resolve();
    await Promise.race([wait, promise]);
    this.#interrupt = null;
  }

  #isPassing(error: unknown): boolean {
    if (isRefusal(error)) return this.#options.isPatient ?? false;
    if (error instanceof ProtocolError) return error.code !== ErrorCode.FENCED_INSTANCE_ID;
    return error instanceof OperatingError && error.code !== 'client-closed';
  }

  /** Join and sync: ends with an assignment. */
  async #join(): Promise<void> {
    const joined = await this.#sendJoin();
    this.#memberId = joined.memberId;
    this.#generationId = joined.generationId;
    const isLeader = joined.leader === joined.memberId;
    this.#sharing.forget();
    const isAsked = isLeader && !joined.skipAssignment;
    const assignments = isAsked ? await this.#sharing.share(joined.members) : [];
    const { groupId, groupInstanceId = null } = this.#options;
    const response = await this.#coordinator.request(
      calls.syncGroup,
      {
        groupId,
        generationId: this.#generationId,
        memberId: this.#memberId,
        groupInstanceId,
        protocolType: PROTOCOL_TYPE,
        protocolName: joined.protocolName ?? PROTOCOL_NAME,
        assignments,
      },
      (r) => r.errorCode,
      this.#joinOptions(),
    );
    this.#check(response.errorCode, 'SyncGroup');
    const assignment = decodeAssignment(response.assignment);
    const assigned = [...assignment].flatMap(([topic, partitions]) =>
      partitions.map((partition) => ({ topic, partition })),
    );
    if (isLeader && !isAsked) await this.#sharing.resume(joined.members, assigned);
    this.#assigned = assigned;
    this.#isAssigned = true;
    this.counters.rebalances++;
  }

  async #sendJoin(): Promise<JoinResponse> {
    const { groupId, groupInstanceId = null, topics } = this.#options;
    const body = {
      groupId,
      sessionTimeoutMs: this.#sessionTimeoutMs,
      rebalanceTimeoutMs: this.#rebalanceTimeoutMs,
      memberId: this.#memberId,
      groupInstanceId,
      protocolType: PROTOCOL_TYPE,
      protocols: [{ name: PROTOCOL_NAME, metadata: encodeSubscription(topics) }],
      reason: null,
    };
    const send = () =>
      this.#coordinator.request(
        calls.joinGroup,
        { ...body, memberId: this.#memberId },
        (r) => r.errorCode,
        this.#joinOptions(),
      );
    let response = await send();
    if (response.errorCode === ErrorCode.MEMBER_ID_REQUIRED) {
      this.#memberId = response.memberId;
      response = await send();
    }
    this.#check(response.errorCode, 'JoinGroup');
    return response;
  }

  /** The coordinator may let a join wait for a whole rebalance; one that leaves does not look for it. */
  #joinOptions(): { lane: Lane; timeoutMs: number; isWanted: () => boolean } {
    const timeoutMs = this.#rebalanceTimeoutMs + JOIN_GRACE_MS;
    return { lane: this.#lane, timeoutMs, isWanted: () => !this.#leaving };
  }

  /** Hands the partitions over and heartbeats until something ends the generation. */
  async #stay(): Promise<Interruption> {
    const { promise, resolve } = Promise.withResolvers<Interruption>();
    this.#interrupt = resolve;
    if (this.#leaving) resolve('leave');
    // Nobody was listening when the metadata were told.
    else if (this.#sharing.hasGrown) resolve('rebalance');
    this.#heartbeat.start();
    await this.#options.onAssigned(this.#assigned);
    this.#fault = '';
    this.#failures = 0;
    const why = await promise;
    this.#interrupt = null;
    return why;
  }

  async #sendHeartbeat(): Promise<number> {
    const { groupId, groupInstanceId = null } = this.#options;
    const { errorCode } = await this.#coordinator.request(
      calls.heartbeat,
      { groupId, generationId: this.#generationId, memberId: this.#memberId, groupInstanceId },
      (r) => r.errorCode,
      { lane: this.#lane, retryMs: 0, timeoutMs: Math.ceil(this.#sessionTimeoutMs / 3) },
    );
    this.counters.heartbeats++;
    return errorCode;
  }

  #evicted(code: number): void {
    if (!isEviction(code)) return;
    if (code === ErrorCode.FENCED_INSTANCE_ID) {
      // Somebody else has this static id now: joining again would only fence them in turn.
      const { groupId, groupInstanceId } = this.#options;
      this.#fenced = new ProtocolError(code, `'${groupInstanceId}' of '${groupId}' is taken`);
    }
    this.#interrupt?.('lost');
  }

  async #revoke(lost: boolean): Promise<void> {
    if (!this.#isAssigned) return;
    try {
      await this.#options.onRevoked(this.#assigned, lost);
    } finally {
      this.#isAssigned = false;
      this.#assigned = [];
      this.#heartbeat.stop();
    }
  }

  #forgetMembership(): void {
    this.#generationId = -1;
    this.#memberId = '';
  }

  async #sayGoodbye(): Promise<void> {
    const { groupId, groupInstanceId } = this.#options;
    if (this.#memberId === '' || groupInstanceId !== undefined) return;
    const member = { memberId: this.#memberId, groupInstanceId: null, reason: null };
    try {
      await this.#coordinator.request(
        calls.leaveGroup,
        { groupId, memberId: this.#memberId, members: [member] },
        (r) => r.errorCode,
        { lane: this.#lane, retryMs: 0, timeoutMs: JOIN_GRACE_MS },
      );
    } catch (error) {
      // The session timeout will do it.
      this.#client.logger.debug('leaving failed', { 'error.message': reasonOf(error) });
    }
    this.#forgetMembership();
  }

  #check(code: number, what: string): void {
    if (code === ErrorCode.NONE) return;
    if (isEviction(code)) this.#forgetMembership();
    throw new ProtocolError(code, `${what} of '${this.#options.groupId}': ${errorName(code)}`);
  }
}

const isRefusal = (error: unknown): boolean =>
  error instanceof ProtocolError && REFUSALS.has(error.code);

const isEviction = (code: number): boolean =>
  code === ErrorCode.UNKNOWN_MEMBER_ID ||
  code === ErrorCode.ILLEGAL_GENERATION ||
  code === ErrorCode.FENCED_INSTANCE_ID;

const isList = (
  offsets: ReadonlyMap<string, ReadonlyMap<number, number>> | readonly OffsetToCommit[],
): offsets is readonly OffsetToCommit[] => Array.isArray(offsets);

const flatten = (offsets: ReadonlyMap<string, ReadonlyMap<number, number>>): OffsetToCommit[] =>
  [...offsets].flatMap(([topic, partitions]) =>
    [...partitions].map(([partition, offset]) => ({ topic, partition, offset })),
  );
