/**
 * Which brokers there are, and which of them may lead (KIP-631): registrations, heartbeats and what
 * follows from both, as records of the step under way. When a broker was last heard of is known to
 * the active controller alone (`BrokerSessions`); everything else is in the image.
 *
 * A broker is let in only when its own image has reached its registration. It is taken out when it
 * asks for that, stops, loses its directories, or is not heard of any more; its leaderships are
 * moved by the same step, so that a broker outside leads nothing and is in no ISR but where it is
 * the last one.
 */
import type { Logger } from '../../base/logger.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type { brokerRegistrationRequest } from '../../protocol/messages/62-broker-registration.ts';
import type { brokerHeartbeatRequest } from '../../protocol/messages/63-broker-heartbeat.ts';
import type { Infer } from '../../protocol/schema.ts';
import type { Configs } from '../configs.ts';
import { features } from '../features.ts';
import type { BrokerImage, MetadataImage } from '../metadata-image.ts';
import type { BrokerSessions } from './broker-sessions.ts';
import type { Draft } from './draft.ts';
import type { PartitionIndex } from './partition-index.ts';
import { isActive, type Succession } from './succession.ts';

export type Registration = Infer<typeof brokerRegistrationRequest>;
export type Heartbeat = Infer<typeof brokerHeartbeatRequest>;

/** What a heartbeat asks for, as far as it is granted now. */
export type Transition = 'none' | 'fence' | 'unfence' | 'leave' | 'stop';

export interface RegistryOptions {
  readonly clusterId: string;
  readonly image: MetadataImage;
  readonly configs: Configs;
  readonly sessions: BrokerSessions;
  readonly succession: Succession;
  readonly index: PartitionIndex;
  readonly logger: Logger;
  /** Offset of the metadata log when this controller began. */
  readonly startOffset: number;
}

export class BrokerRegistry {
  readonly #options: RegistryOptions;
  /** End of the step that registered the broker, and of the one that moved its leaderships away. */
  readonly #registeredAt = new Map<number, number>();
  readonly #leftAt = new Map<number, number>();

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  /** Of the life of the broker that has this epoch. Throws STALE_BROKER_EPOCH. */
  checkEpoch(brokerId: number, epoch: number): BrokerImage {
    const broker = this.#options.image.brokers.get(brokerId);
    if (broker === undefined) {
      throw new ProtocolError(
        ErrorCode.STALE_BROKER_EPOCH,
        `No broker registration found for broker id ${brokerId}`,
      );
    }
    if (broker.epoch !== epoch) {
      throw new ProtocolError(
        ErrorCode.STALE_BROKER_EPOCH,
        `Expected broker epoch ${broker.epoch}, but got broker epoch ${epoch}`,
      );
    }
    return broker;
  }

  /** Returns the broker's epoch. A broker that only tells more of the same life keeps its own. */
  register(draft: Draft, request: Registration, newEpoch: number, nowMs: number): number {
    const { image, sessions, clusterId } = this.#options;
    const { brokerId } = request;
    if (request.clusterId !== clusterId) {
      throw new ProtocolError(
        ErrorCode.INCONSISTENT_CLUSTER_ID,
        `Expected cluster ID ${clusterId}, but got cluster ID ${request.clusterId}`,
      );
    }
    const known = image.brokers.get(brokerId);
    const isSameLife = known !== undefined && known.incarnationId === request.incarnationId;
    if (known !== undefined && !isSameLife && sessions.isAlive(brokerId, known.epoch, nowMs)) {
      throw new ProtocolError(
        ErrorCode.DUPLICATE_BROKER_REGISTRATION,
        `Another broker with id ${brokerId} is registered and alive.`,
      );
    }
    this.#checkDirectories(request);
    this.#checkFeatures(request);
    const epoch = isSameLife ? known.epoch : newEpoch;
    draft.add({
      type: 'RegisterBroker',
      value: {
        brokerId,
        brokerEpoch: epoch,
        incarnationId: request.incarnationId,
        rack: request.rack,
        endPoints: request.listeners.map((listener) => ({ ...listener })),
        logDirs: [...request.logDirs],
        fenced: isSameLife ? known.fenced : true,
        inControlledShutdown: isSameLife && known.inControlledShutdown,
        features: request.features.map(({ name, minSupportedVersion, maxSupportedVersion }) => ({
          name,
          min: minSupportedVersion,
          max: maxSupportedVersion,
        })),
      },
    });
    if (!isSameLife) {
      sessions.remove(brokerId);
      this.#leftAt.delete(brokerId);
      this.#beginLife(draft, request, known);
    }
    return epoch;
  }

  /** The step that registered the broker ends here: it must have that before it is let in. */
  registered(brokerId: number, offset: number): void {
    this.#registeredAt.set(brokerId, offset);
  }
  /** The step that moved the broker's leaderships ends here. */
  left(brokerId: number, offset: number): void {
    this.#leftAt.set(brokerId, offset);
  }

  /** A broker that does not know what the others do would misread them. */
  #checkFeatures(request: Registration): void {
    const { image } = this.#options;
    for (const { name, minSupportedVersion: min, maxSupportedVersion: max } of request.features) {
      const level = image.featureLevel(name);
      if (!features.has(name) || (level >= min && level <= max)) continue;
      throw new ProtocolError(
        ErrorCode.UNSUPPORTED_VERSION,
        `Unable to register because the broker does not support finalized version ${level} of ${name}. The broker wants a version between ${min} and ${max}, inclusive.`,
      );
    }
  }

  #checkDirectories(request: Registration): void {
    const { brokerId, logDirs } = request;
    if (new Set(logDirs).size !== logDirs.length) {
      throw new ProtocolError(ErrorCode.INVALID_REGISTRATION, 'Duplicate directory ID in request');
    }
    for (const other of this.#options.image.brokers.values()) {
      const shared =
        other.id === brokerId ? undefined : logDirs.find((d) => other.logDirs.includes(d));
      if (shared === undefined) continue;
      throw new ProtocolError(
        ErrorCode.INVALID_REGISTRATION,
        `Broker ${other.id} is already registered with directory ${shared}`,
      );
    }
  }

  /**
   * Ends what the broker's last life led. After a clean stop, or where acknowledged records are on
   * the device, it still has everything that it had; a directory that is missing has taken it along.
   * So has one that tells of the clean stop of a life before the last: every life takes that mark
   * away before it registers, so this is a copy that was put back, and lacks what came since.
   */
  #beginLife(draft: Draft, request: Registration, known: BrokerImage | undefined): void {
    const { configs, succession, index, logger } = this.#options;
    const { brokerId, logDirs, previousBrokerEpoch } = request;
    const isClean = known !== undefined && known.epoch === previousBrokerEpoch;
    const isOld =
      known !== undefined && previousBrokerEpoch >= 0 && previousBrokerEpoch < known.epoch;
    const isMissing = known?.logDirs.some((directory) => !logDirs.includes(directory)) === true;
    const isLost = isMissing || isOld;
    const keeps = !isLost && (isClean || configs.boolean('log.flush.on.acks.all'));
    if (keeps) succession.removeBroker(draft, index, brokerId);
    else succession.distrustBroker(draft, index, brokerId, isLost);
    const changed = draft.changedPartitions;
    draft.onCommitted = () => {
      logger.info('a broker registers', {
        'weir.broker.id': brokerId,
        'weir.broker.clean': isClean,
        'weir.partitions.changed': changed,
      });
      if (!isLost) return;
      const what = isMissing
        ? 'without a directory that it had'
        : 'with its disk of an earlier life';
      logger.warn(`a broker comes ${what}; what was there counts as lost`, {
        'weir.broker.id': brokerId,
      });
    };
  }

  unregister(draft: Draft, brokerId: number): void {
    const { image, succession, index } = this.#options;
    const broker = image.brokers.get(brokerId);
    if (broker === undefined) {
      throw new ProtocolError(
        ErrorCode.BROKER_ID_NOT_REGISTERED,
        `Broker ID ${brokerId} is not currently registered`,
      );
    }
    if (!broker.fenced) {
      throw new ProtocolError(
        ErrorCode.INVALID_REQUEST,
        `Broker ${brokerId} is in service: stop it before it is unregistered`,
      );
    }
    // Whoever comes under that number later is another one.
    succession.distrustBroker(draft, index, brokerId, true);
    draft.add({ type: 'UnregisterBroker', value: { brokerId, brokerEpoch: broker.epoch } });
  }

  isCaughtUp(request: Heartbeat): boolean {
    const { brokerId, brokerEpoch, currentMetadataOffset } = request;
    return currentMetadataOffset >= (this.#registeredAt.get(brokerId) ?? brokerEpoch);
  }

  /** What to do about the heartbeat, as things are. */
  transition(broker: BrokerImage, request: Heartbeat): Transition {
    const { wantFence, wantShutDown } = request;
    const { id } = broker;
    if (broker.fenced) {
      if (wantShutDown || wantFence || this.#isWithoutDisk(broker, request)) return 'none';
      return this.isCaughtUp(request) ? 'unfence' : 'none';
    }
    if (this.#isWithoutDisk(broker, request)) return 'fence';
    const leads = this.#options.index.leaderships(id) > 0;
    if (broker.inControlledShutdown) return !leads && this.#allKnow(id) ? 'stop' : 'none';
    if (wantFence) return wantShutDown ? 'stop' : 'fence';
    if (!wantShutDown) return 'none';
    // Whoever leads nothing may still be in the ISR of others; it leaves those by being fenced.
    return leads ? 'leave' : 'stop';
  }

  /** Whether the broker may stop now: a fenced one leads nothing. */
  mayStop(broker: BrokerImage, request: Heartbeat): boolean {
    return broker.fenced && request.wantShutDown;
  }

  #isWithoutDisk({ logDirs }: BrokerImage, { offlineLogDirs }: Heartbeat): boolean {
    return logDirs.length > 0 && logDirs.every((directory) => offlineLogDirs.includes(directory));
  }

  /** Every broker that serves has learnt who leads instead of this one. */
  #allKnow(leavingId: number): boolean {
    const { image, sessions, startOffset } = this.#options;
    const since = this.#leftAt.get(leavingId) ?? startOffset;
    for (const broker of image.brokers.values()) {
      if (isActive(broker) && sessions.metadataOffset(broker.id) < since) return false;
    }
    return true;
  }

  /** Directories that have failed since the broker last told. */
  newlyOffline({ logDirs }: BrokerImage, { offlineLogDirs }: Heartbeat): string[] {
    const offline = logDirs.filter((directory) => offlineLogDirs.includes(directory));
    // With all of them the broker itself is out, and is to come back with the same ones.
    return offline.length === logDirs.length ? [] : offline;
  }

  apply(
    draft: Draft,
    broker: BrokerImage,
    transition: Transition,
    offline: readonly string[],
  ): void {
    const { succession, index } = this.#options;
    const { id } = broker;
    const goes = transition === 'fence' || transition === 'stop';
    if (goes || transition === 'leave') succession.removeBroker(draft, index, id);
    else if (transition === 'unfence') succession.admitBroker(draft, index, id);
    if (transition === 'none' && offline.length === 0) return;
    draft.add({
      type: 'BrokerChange',
      value: {
        brokerId: id,
        brokerEpoch: broker.epoch,
        fenced: goes || (broker.fenced && transition !== 'unfence'),
        inControlledShutdown: broker.inControlledShutdown || transition === 'leave',
        logDirs: broker.logDirs.filter((directory) => !offline.includes(directory)),
      },
    });
  }
}
