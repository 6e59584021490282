/** The groups of all partitions of `__consumer_offsets` that this broker leads. */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import type { GroupOverrides } from './consumer/planning.ts';
import type { TopicHashes } from './consumer/topic-hashes.ts';
import type { CoordinatorLog } from './coordinator-log.ts';
import type { GroupProbe } from './group-probe.ts';
import type { GroupSettings } from './group-settings.ts';
import { GroupShard } from './group-shard.ts';
import { ShardHost } from './shard-host.ts';
import { Timers } from './timers.ts';
import type { TopicDirectory } from './topic-directory.ts';

export interface ShardsOptions {
  readonly log: CoordinatorLog;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly probe: GroupProbe;
  readonly settings: GroupSettings;
  readonly groupSettings: GroupOverrides;
  readonly topics: TopicDirectory;
  readonly hashes: TopicHashes;
}

export class Shards extends ShardHost<GroupShard> {
  readonly #options: ShardsOptions;

  constructor(options: ShardsOptions) {
    const timers = new Timers(options.clock);
    super({ ...options, create: (log) => new GroupShard({ ...options, timers }, log) });
    this.#options = options;
  }

  /** Members can't belong to a group without a name; only offsets can. */
  routeMember(groupId: string): GroupShard | number {
    return groupId === '' ? ErrorCode.INVALID_GROUP_ID : this.route(groupId);
  }

  /** Whether there is no room for one more group; counts the refusal. */
  refusesNewGroup(): boolean {
    const { probe, settings } = this.#options;
    if (probe.groupCount < settings.groupsMax) return false;
    probe.refusedGroups++;
    return true;
  }
}
