/**
 * What a broker knows only while it is the active controller: whom it has heard of, and indexes over
 * the image. Made anew each time it becomes that.
 */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Configs } from '../configs.ts';
import type { MetadataStore } from '../metadata-store.ts';
import { BrokerRegistry } from './broker-registry.ts';
import { BrokerSessions } from './broker-sessions.ts';
import { PartitionIndex } from './partition-index.ts';
import type { Succession } from './succession.ts';

/** Brokers of the configuration are waited for that long before topics are made without them. */
const GATHERING_MS = 30_000;

export interface TermOptions {
  readonly store: MetadataStore;
  readonly configs: Configs;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly clusterId: string;
  readonly succession: Succession;
}

export class Term {
  readonly index: PartitionIndex;
  readonly sessions: BrokerSessions;
  readonly registry: BrokerRegistry;
  readonly #options: TermOptions;
  readonly #sinceMs: number;

  constructor(options: TermOptions) {
    this.#options = options;
    const { store, configs, clock, logger, clusterId, succession } = options;
    const { image } = store;
    this.#sinceMs = clock.monotonic();
    this.index = new PartitionIndex(image);
    this.sessions = new BrokerSessions({
      timeoutMs: configs.number('broker.session.timeout.ms'),
      graceMs: configs.number('broker.session.disconnect.grace.ms'),
    });
    // Nobody is blamed for having told the last controller.
    for (const { id, epoch, fenced } of image.brokers.values()) {
      if (!fenced) this.sessions.assume(id, epoch, this.#sinceMs);
    }
    this.registry = new BrokerRegistry({
      clusterId,
      image,
      configs,
      logger,
      succession,
      sessions: this.sessions,
      index: this.index,
      startOffset: store.lastOffset,
    });
  }

  /** Brokers that topics may be spread over, soon if not now. */
  get expectedBrokers(): number {
    const { store, configs, clock } = this.#options;
    const registered = store.image.brokers.size;
    if (clock.monotonic() - this.#sinceMs > GATHERING_MS) return registered;
    return Math.max(registered, configs.list('cluster.brokers').length);
  }
}
