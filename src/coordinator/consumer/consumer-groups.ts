/** The consumer groups of one partition of `__consumer_offsets` (KIP-848), and what works on them. */
import { ProtocolError } from '../../protocol/error-codes.ts';
import type { Rebalancer } from '../rebalancer.ts';
import type { RequestContext } from '../request-context.ts';
import { ClassicMembers } from './classic-members.ts';
import type { ConsumerGroup } from './consumer-group.ts';
import { Conversions } from './conversions.ts';
import { Edit } from './edit.ts';
import { Entrances } from './entrances.ts';
import { Fencing } from './fencing.ts';
import {
  type HeartbeatRequest,
  type HeartbeatResponse,
  Heartbeats,
  heartbeatError,
} from './heartbeats.ts';
import type { ConsumerParts } from './planning.ts';
import { Regexes } from './regexes.ts';

export class ConsumerGroups {
  readonly #parts: ConsumerParts;
  readonly #entrances: Entrances;
  readonly #fencing: Fencing;
  readonly #regexes: Regexes;
  readonly #heartbeats: Heartbeats;
  /** Members that speak the classic protocol. */
  readonly classic: ClassicMembers;

  constructor(parts: ConsumerParts, rebalancer: Rebalancer) {
    this.#parts = parts;
    const conversions = new Conversions(parts, rebalancer);
    this.#fencing = new Fencing(parts, conversions);
    this.#entrances = new Entrances(parts, rebalancer, this.#fencing, conversions);
    this.classic = new ClassicMembers(parts, this.#fencing, conversions);
    this.#regexes = new Regexes(parts);
    this.#heartbeats = new Heartbeats(parts, this.#entrances, this.#fencing, this.#regexes);
  }

  async heartbeat(request: HeartbeatRequest, context: RequestContext): Promise<HeartbeatResponse> {
    try {
      return await this.#heartbeats.heartbeat(request, context);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return heartbeatError(error.code, error.message);
    }
  }

  /** Everything about the group that was written before is in the log; as an error code. */
  settled(group: ConsumerGroup): Promise<number> {
    return new Edit(group).commit(this.#parts.store);
  }

  /** Topics have changed, or are new: groups find out with the next heartbeat what that means. */
  topicsChanged(names: readonly string[], hasNew: boolean): void {
    if (hasNew) this.#regexes.topicsCreated();
    for (const group of this.#parts.groups.values()) {
      if (group.type !== 'consumer' || group.needsRefresh) continue;
      if (names.some((name) => group.isSubscribedTo(name))) group.needsRefresh = true;
    }
  }

  /** A group that came from the log. */
  loaded(group: ConsumerGroup): void {
    this.#fencing.loaded(group);
  }

  /** Stops everything that waits for time to pass. */
  release(group: ConsumerGroup): void {
    this.#fencing.release(group);
  }

  /** Lets a group go that nobody would miss. */
  tidy(group: ConsumerGroup): void {
    this.#entrances.tidy(group);
  }
}
