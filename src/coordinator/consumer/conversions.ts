/**
 * Changes the type of a group while it has members: a classic group becomes a consumer group with the
 * first member that speaks the consumer protocol, and is a classic one again when the last of them has
 * gone (KIP-848). Members keep what they hold, and the group its offsets.
 *
 * What was is forgotten and what is written in one batch of the log, so a crash leaves the one or the
 * other. What the log does not take is read anew from it.
 */
import { ErrorCode } from '../../protocol/error-codes.ts';
import { Group } from '../group.ts';
import { groupRecord, groupTombstone } from '../group-records.ts';
import { Member } from '../member.ts';
import type { Rebalancer } from '../rebalancer.ts';
import type { StoredRecord } from '../shard-log.ts';
import { changeRecord } from './changes.ts';
import { readAssignment, readSubscription, writeAssignment } from './classic-protocol.ts';
import { ConsumerGroup } from './consumer-group.ts';
import type { ClassicMetadata, ConsumerMember } from './consumer-member.ts';
import { notFound } from './not-found.ts';
import { heldSince, NOTHING_HELD } from './partitions.ts';
import type { ConsumerParts } from './planning.ts';

export class Conversions {
  readonly #parts: ConsumerParts;
  readonly #rebalancer: Rebalancer;

  constructor(parts: ConsumerParts, rebalancer: Rebalancer) {
    this.#parts = parts;
    this.#rebalancer = rebalancer;
  }

  /** The consumer group that the classic one would become. Throws GROUP_ID_NOT_FOUND if it can't. */
  upgraded(classic: Group): { group: ConsumerGroup; records: StoredRecord[] } {
    const { consumerMigrationPolicy: policy, consumerGroupMaxSize } = this.#parts.settings;
    const refuse = (why: string): never => {
      throw notFound(
        `Cannot upgrade classic group ${classic.id} to consumer group because ${why}.`,
      );
    };
    if (policy !== 'upgrade' && policy !== 'bidirectional') refuse('online upgrade is disabled');
    if (!classic.isConsumerGroup) {
      refuse('the group does not use the consumer embedded protocol');
    }
    if (classic.members.size > consumerGroupMaxSize) {
      refuse('the group size exceeds the consumer group maximum size');
    }
    const group = new ConsumerGroup(classic.id, classic.offsets, this.#parts.probe);
    const { generation } = classic;
    // A group that has not agreed on anything yet will have to.
    const protocol = classic.protocolName ?? classic.selectProtocol();
    for (const member of classic.members.values()) {
      try {
        const held = readAssignment(member.assignment, this.#parts.topics);
        if (held === null) return refuse('an unsupported custom assignor is in use');
        const { topics, rackId } = readSubscription(member.metadataFor(protocol));
        const { id, instanceId, clientId, clientHost, rebalanceTimeoutMs } = member;
        const { sessionTimeoutMs, protocols } = member;
        const classicMetadata = { sessionTimeoutMs, protocols };
        const said = { instanceId, rackId, clientId, clientHost, rebalanceTimeoutMs };
        const read = { topics: [...new Set(topics)], regex: '', assignor: null };
        const value = { ...said, ...read, classic: classicMetadata };
        group.apply({ kind: 'member', id, value });
        group.apply({ kind: 'target', id, value: held });
        group.apply({
          kind: 'progress',
          id,
          value: {
            epoch: generation,
            previousEpoch: generation,
            state: 'stable',
            assigned: heldSince(held, generation),
            revoking: NOTHING_HELD,
          },
        });
      } catch (error) {
        if (error instanceof RangeError) refuse('the embedded consumer protocol is malformed');
        throw error;
      }
    }
    const metadataHash = this.#parts.hashes.of(group.subscribedTopics());
    group.apply({ kind: 'group', value: { epoch: generation, metadataHash } });
    group.apply({ kind: 'targetEpoch', value: { epoch: generation, timestamp: 0 } });
    const records = [...group.changes()].map((change) => changeRecord(group.id, change));
    return { group, records: [groupTombstone(classic.id), ...records] };
  }

  /** The group is what it was made into: its members join again, and are heard of as before. */
  upgrade(classic: Group, group: ConsumerGroup): void {
    this.#rebalancer.release(classic, ErrorCode.REBALANCE_IN_PROGRESS);
    classic.retire();
    group.enter();
    this.#parts.groups.set(group.id, group);
    this.#log('a classic group is a consumer group now', group);
  }

  /** Whether nobody but members of the classic protocol is left, when these have gone. */
  isClassicWithout(group: ConsumerGroup, leaving: readonly ConsumerMember[]): boolean {
    const left = group.members.size - leaving.length;
    const classicLeft =
      group.classicCount - leaving.filter(({ classic }) => classic !== null).length;
    return left > 0 && left === classicLeft && this.#mayDowngrade(left);
  }

  /** Whether nobody else is left when a classic member takes the place of this one. */
  isClassicInsteadOf(group: ConsumerGroup, old: ConsumerMember): boolean {
    const others = group.members.size - 1;
    return (
      old.classic === null &&
      group.classicCount === others &&
      this.#mayDowngrade(group.members.size)
    );
  }

  #mayDowngrade(members: number): boolean {
    const { consumerMigrationPolicy: policy, groupMaxSize } = this.#parts.settings;
    return (policy === 'downgrade' || policy === 'bidirectional') && members <= groupMaxSize;
  }

  /**
   * Makes a classic group of those members that stay, who all speak its protocol; as an error code.
   * `before`: records that go first. `reason`: why its members have to join again; null: they need not.
   */
  downgrade(
    group: ConsumerGroup,
    leaving: ReadonlySet<string>,
    reason: string | null,
    before: readonly StoredRecord[] = [],
  ): Promise<number> {
    const { clock, probe, groups, store } = this.#parts;
    const tombstones = [...group.tombstones()].map((change) => changeRecord(group.id, change));
    const members = [...group.members.values()]
      .filter(({ id }) => !leaving.has(id))
      .map((member) => this.#classicMember(group, member));
    group.retire();
    const classic = new Group(group.id, clock, probe, group.offsets);
    classic.restore({
      generation: group.epoch,
      protocolType: 'consumer',
      protocolName: null,
      leader: null,
      stateTimestamp: clock.now(),
      members,
    });
    groups.set(group.id, classic);
    const assignments = new Map(members.map(({ id, assignment }) => [id, assignment]));
    const records = [...before, ...tombstones, groupRecord(classic, assignments)];
    this.#rebalancer.loaded(classic);
    if (reason !== null && classic.state === 'Stable') this.#rebalancer.prepare(classic, reason);
    this.#log('a consumer group is a classic group now', group);
    return new Promise((resolve) => {
      const stored = (code: number): void => {
        if (code !== ErrorCode.NONE) store.abandon();
        resolve(code);
      };
      store.write(records, stored, { whole: true });
    });
  }

  #classicMember(group: ConsumerGroup, member: ConsumerMember): Member {
    const classic = member.classic as ClassicMetadata;
    const { id, instanceId, clientId, clientHost, rebalanceTimeoutMs } = member;
    const { sessionTimeoutMs, protocols } = classic;
    const assignment = writeAssignment(group.target(id), classic, this.#parts.topics);
    const said = { id, instanceId, clientId, clientHost };
    return new Member({ ...said, rebalanceTimeoutMs, sessionTimeoutMs, protocols, assignment });
  }

  #log(message: string, group: ConsumerGroup): void {
    this.#parts.logger.info(message, {
      'kafka.group': group.id,
      'kafka.group_epoch': group.epoch,
      members: group.members.size,
    });
  }
}
