/**
 * Which brokers live, as the active controller finds out: by their heartbeats, which carry what they
 * ask for as well, by the connections of those, and by the silence of a broker, which takes it out.
 *
 * Only lost connections are remembered beyond a term: most often one of them was the last controller.
 */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Configs } from '../configs.ts';
import type { BrokerImage } from '../metadata-image.ts';
import type { MetadataStore } from '../metadata-store.ts';
import type { Heartbeat, Transition } from './broker-registry.ts';
import type { Draft } from './draft.ts';
import { SessionWatch } from './session-watch.ts';
import type { ControllerStats } from './stats.ts';
import type { StepQueue } from './step-queue.ts';
import type { Term } from './term.ts';

export interface HeartbeatAnswer {
  readonly isCaughtUp: boolean;
  readonly isFenced: boolean;
  readonly shouldShutDown: boolean;
  readonly metadataOffset: number;
}

export interface BrokerLivenessOptions {
  readonly nodeId: number;
  readonly store: MetadataStore;
  readonly configs: Configs;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stats: ControllerStats;
  readonly steps: StepQueue;
}

export class BrokerLiveness {
  readonly #options: BrokerLivenessOptions;
  /** When a connection to each broker was lost last, of this life of it. */
  readonly #lostAtMs = new Map<number, number>();
  #term: Term | null = null;
  #watch: SessionWatch | null = null;

  constructor(options: BrokerLivenessOptions) {
    this.#options = options;
  }

  /** This broker is the active controller from now on. */
  begin(term: Term): void {
    const { clock, configs } = this.#options;
    this.#term = term;
    this.#watch = new SessionWatch(clock, term.sessions, () => this.#fenceExpired());
    // Most often one of them was the last controller, and is gone.
    const now = clock.monotonic();
    const recentMs = configs.number('broker.session.timeout.ms');
    for (const [brokerId, lostAtMs] of this.#lostAtMs) {
      if (now - lostAtMs <= recentMs) term.sessions.unreachable(brokerId, now);
    }
    this.#watch.update();
  }

  end(): void {
    this.#term = null;
    this.#watch?.stop();
    this.#watch = null;
  }

  /** The broker has registered, or changed otherwise: what was lost before says nothing of it. */
  changed(brokerId: number): void {
    this.#lostAtMs.delete(brokerId);
  }

  /** Throws STALE_BROKER_EPOCH when that is not the life of the broker that was registered last. */
  async heartbeat(term: Term, request: Heartbeat, connectionId: number): Promise<HeartbeatAnswer> {
    const { clock, store, steps } = this.#options;
    const { brokerId, brokerEpoch, currentMetadataOffset } = request;
    const { registry, sessions } = term;
    let broker = registry.checkEpoch(brokerId, brokerEpoch);
    sessions.touch(brokerId, brokerEpoch, connectionId, currentMetadataOffset, clock.monotonic());
    this.#watch?.update();
    const asks =
      registry.transition(broker, request) !== 'none' ||
      registry.newlyOffline(broker, request).length > 0;
    if (asks) await steps.step((active, draft) => this.#move(active, draft, request));
    broker = store.image.brokers.get(brokerId) ?? broker;
    return {
      isCaughtUp: registry.isCaughtUp(request),
      isFenced: broker.fenced,
      shouldShutDown: registry.mayStop(broker, request),
      metadataOffset: store.lastOffset,
    };
  }

  #move(term: Term, draft: Draft, request: Heartbeat): void {
    const { registry, sessions } = term;
    const { brokerId, brokerEpoch } = request;
    const broker = registry.checkEpoch(brokerId, brokerEpoch);
    const transition = registry.transition(broker, request);
    registry.apply(draft, broker, transition, registry.newlyOffline(broker, request));
    this.#logMove(broker, transition, draft);
    if (transition === 'leave') {
      draft.onCommitted = () => registry.left(brokerId, draft.committedAt);
    } else if (transition === 'stop') draft.onCommitted = () => sessions.remove(brokerId);
  }

  #logMove(broker: BrokerImage, transition: Transition, draft: Draft): void {
    if (transition === 'none') return;
    const told = {
      fence: 'a broker is taken out at its own wish, or has lost its directories',
      unfence: 'a broker is let in',
      leave: 'a broker is about to stop; its leaderships move',
      stop: 'a broker may stop',
    } as const;
    this.#options.logger.info(told[transition], {
      'weir.broker.id': broker.id,
      'weir.partitions.changed': draft.changedPartitions,
    });
  }

  /** The connection that brought the broker's heartbeats is gone. */
  connectionClosed(brokerId: number, connectionId: number): void {
    this.#term?.sessions.disconnected(brokerId, connectionId, this.#options.clock.monotonic());
    this.#watch?.update();
  }

  /** A connection of this broker to that one was lost: a hint, for speed alone. */
  peerLost(brokerId: number): void {
    const now = this.#options.clock.monotonic();
    this.#lostAtMs.set(brokerId, now);
    this.#term?.sessions.unreachable(brokerId, now);
    this.#watch?.update();
  }

  #fenceExpired(): void {
    const { steps } = this.#options;
    steps.background('a silent broker could not be taken out', () =>
      steps.step((term, draft) => this.#fenceFirst(term, draft)),
    );
  }

  /** One in a step: what the next one leaves behind depends on where this one's leaderships went. */
  #fenceFirst(term: Term, draft: Draft): void {
    const { clock, nodeId, stats, logger } = this.#options;
    for (const { brokerId, epoch } of term.sessions.expired(clock.monotonic())) {
      const broker = draft.image.brokers.get(brokerId);
      if (broker === undefined || broker.epoch !== epoch || broker.fenced) {
        term.sessions.remove(brokerId);
        continue;
      }
      if (brokerId === nodeId) {
        // As long as this runs, the broker beside it does.
        term.sessions.assume(brokerId, epoch, clock.monotonic());
        continue;
      }
      term.registry.apply(draft, broker, 'fence', []);
      stats.sessionsExpired += 1;
      logger.warn('a broker is not heard of any more and is taken out', {
        'weir.broker.id': brokerId,
        'weir.partitions.changed': draft.changedPartitions,
      });
      draft.onCommitted = () => term.sessions.remove(brokerId);
      return;
    }
  }
}
