/**
 * Removes members of consumer groups: those that leave, and those that are not heard of in time or
 * don't give up what they have to.
 *
 * Invariant: every member has a running session timeout; one that has to give something up has a
 * running one for that. So no partition stays with somebody who has vanished.
 */
import { ErrorCode } from '../../protocol/error-codes.ts';
import { Timeout } from '../timers.ts';
import type { ConsumerGroup, MemberTimeouts } from './consumer-group.ts';
import { type ConsumerMember, regexOf } from './consumer-member.ts';
import type { Conversions } from './conversions.ts';
import { Edit } from './edit.ts';
import { bumpEpoch, type ConsumerParts, settingOf } from './planning.ts';

export class Fencing {
  readonly #parts: ConsumerParts;
  readonly #conversions: Conversions;

  constructor(parts: ConsumerParts, conversions: Conversions) {
    this.#parts = parts;
    this.#conversions = conversions;
  }

  /** The member lives: its session starts anew. */
  keepAlive(group: ConsumerGroup, member: ConsumerMember): void {
    const timeoutMs =
      member.classic?.sessionTimeoutMs ??
      settingOf(this.#parts, group.id, 'consumer.session.timeout.ms');
    this.#start(group, member.id, 'session', timeoutMs, () => {
      this.#parts.probe.expiredMembers++;
      this.#expire(group, member.id, 'its session is over');
    });
  }

  /** Gives a member that has to give partitions up its time for that. */
  watchRevocation(group: ConsumerGroup, member: ConsumerMember): void {
    if (member.state !== 'unrevoked' || member.classic !== null) {
      return this.stop(group, member.id, 'revocation');
    }
    const { id, epoch, rebalanceTimeoutMs } = member;
    this.#start(group, id, 'revocation', rebalanceTimeoutMs, () => {
      const present = group.members.get(id);
      if (present?.epoch !== epoch || present.state !== 'unrevoked') return;
      this.#expire(group, id, `it has not left epoch ${epoch} in ${rebalanceTimeoutMs} ms`);
    });
  }

  /** A classic member is to join again, in its rebalance timeout from when it was first told to. */
  awaitJoin(group: ConsumerGroup, { id, rebalanceTimeoutMs }: ConsumerMember): void {
    if (group.timeouts.get(id)?.join?.running === true) return;
    this.#start(group, id, 'join', rebalanceTimeoutMs, () =>
      this.#expire(group, id, 'it did not join again in time'),
    );
  }

  /** A classic member has joined, and is to ask what it may hold. */
  awaitSync(group: ConsumerGroup, { id }: ConsumerMember, timeoutMs: number): void {
    this.stop(group, id, 'join');
    this.#start(group, id, 'sync', timeoutMs, () =>
      this.#expire(group, id, 'it did not sync in time'),
    );
  }

  stop(group: ConsumerGroup, memberId: string, kind: keyof MemberTimeouts): void {
    this.#parts.timers.stop(group.timeouts.get(memberId)?.[kind] ?? null);
  }

  /** Ends all that waits for the member. */
  forget(group: ConsumerGroup, memberId: string): void {
    for (const timeout of Object.values(group.timeouts.get(memberId) ?? {}) as Timeout[]) {
      this.#parts.timers.stop(timeout);
    }
    group.timeouts.delete(memberId);
  }

  /** Ends all that waits. */
  release(group: ConsumerGroup): void {
    for (const memberId of [...group.timeouts.keys()]) this.forget(group, memberId);
  }

  /** A group that came from the log: its members have a session's time to show up. */
  loaded(group: ConsumerGroup): void {
    for (const member of group.members.values()) {
      this.keepAlive(group, member);
      this.watchRevocation(group, member);
    }
  }

  /** Removes members; the others share what they had. As an error code. */
  async fence(group: ConsumerGroup, members: readonly ConsumerMember[]): Promise<number> {
    if (members.length > 0 && this.#conversions.isClassicWithout(group, members)) {
      this.release(group);
      const leaving = new Set(members.map(({ id }) => id));
      return this.#conversions.downgrade(group, leaving, 'its last consumer members left');
    }
    const edit = new Edit(group);
    if (members.length > 0) this.#remove(edit, members);
    for (const { id } of members) this.forget(group, id);
    const code = await edit.commit(this.#parts.store);
    if (code !== ErrorCode.NONE) this.#takeBack(group, members);
    return code;
  }

  #remove(edit: Edit, members: readonly ConsumerMember[]): void {
    const { group } = edit;
    for (const { id } of members) {
      edit.apply({ kind: 'progress', id, value: null });
      edit.apply({ kind: 'target', id, value: null });
      edit.apply({ kind: 'member', id, value: null });
    }
    for (const member of members) dropUnusedRegex(edit, regexOf(member));
    bumpEpoch(this.#parts, edit, true);
    this.#parts.logger.info('members left a consumer group', {
      'kafka.group': group.id,
      'kafka.group_epoch': group.epoch,
      'kafka.members': members.map(({ id }) => id),
    });
  }

  /** They are still members; if they have gone, that is noticed once more. */
  #takeBack(group: ConsumerGroup, members: readonly ConsumerMember[]): void {
    if (this.#parts.groups.get(group.id) !== group) return;
    for (const { id } of members) {
      const member = group.members.get(id);
      if (member === undefined) continue;
      this.keepAlive(group, member);
      this.watchRevocation(group, member);
    }
  }

  #expire(group: ConsumerGroup, memberId: string, reason: string): void {
    const member = group.members.get(memberId);
    if (member === undefined || this.#parts.groups.get(group.id) !== group) {
      return this.forget(group, memberId);
    }
    this.#parts.logger.info('member of a consumer group has failed', {
      'kafka.group': group.id,
      'kafka.member': memberId,
      reason,
    });
    void this.fence(group, [member]);
  }

  #start(
    group: ConsumerGroup,
    memberId: string,
    kind: keyof MemberTimeouts,
    timeoutMs: number,
    action: () => void,
  ): void {
    let timeouts = group.timeouts.get(memberId);
    if (timeouts === undefined) group.timeouts.set(memberId, (timeouts = {}));
    // A session's end is the same whenever it begins; what else waits has a beginning of its own.
    if (kind !== 'session') this.#parts.timers.stop(timeouts[kind] ?? null);
    const timeout =
      kind === 'session' ? (timeouts.session ?? new Timeout(action)) : new Timeout(action);
    timeouts[kind] = timeout;
    this.#parts.timers.start(timeout, timeoutMs);
  }
}

/** Forgets what an expression stands for that nobody has any more. */
export function dropUnusedRegex(edit: Edit, regex: string | null): void {
  const { group } = edit;
  if (regex === null || group.readersOfRegex(regex) > 0 || !group.regexes.has(regex)) return;
  edit.apply({ kind: 'regex', regex, value: null });
}
