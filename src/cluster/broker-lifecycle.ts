/**
 * This broker's membership in the cluster: it registers with the controller, which gives it an
 * epoch, then sends heartbeats for as long as it lives (KIP-631).
 *
 * It is fenced until its image has reached its registration and it asks to be let in; and again
 * when the controller has not heard of it for too long. A broker whose epoch is not known any more
 * registers anew. Stopping, it first asks to be relieved of its leaderships.
 */
import { type Clock, sleep, type Timer } from '../base/clock.ts';
import { reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { calls } from '../client/call.ts';
import { ErrorCode, errorName, ProtocolError } from '../protocol/error-codes.ts';
import type { ControllerChannel } from './controller-channel.ts';
import { features } from './features.ts';
import type { EndPoint } from './metadata-image.ts';
import type { MetadataStore } from './metadata-store.ts';

/** Between two attempts to register, and between looks at the image, milliseconds. */
const RETRY_MS = 50;
const NO_ROOM_RETRY_MS = 500;
const LOOK_MS = 5;

/** While it is let in, shuts down, or may seem to be gone, heartbeats follow each other this fast. */
const URGENT_HEARTBEAT_MS = 20;

/** Of its session, a broker that is alone lets so much pass between two heartbeats. */
const ALONE_SESSION_SHARE = 0.9;

/** Without a controller for that long, a broker that stops goes without its leave. */
const FAREWELL_MS_MAX = 1_000;

export interface LifecycleSettings {
  /** `broker.heartbeat.interval.ms` */
  readonly heartbeatMs: number;
  /** `broker.session.timeout.ms` */
  readonly sessionMs: number;
}

export interface BrokerLifecycleOptions {
  readonly nodeId: number;
  readonly clusterId: string;
  readonly incarnationId: string;
  readonly rack: string | null;
  /** No other broker is configured. */
  readonly alone: boolean;
  /** Epoch of the last life if it ended cleanly, else -1. */
  readonly previousEpoch: number;
  readonly endPoints: () => readonly EndPoint[];
  /** Ids of the log directories; `offline`: those of which the controller knows what was in them as lost. */
  readonly directories: () => { readonly online: string[]; readonly offline: string[] };
  readonly store: MetadataStore;
  readonly channel: ControllerChannel;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: LifecycleSettings;
}

export class BrokerLifecycle {
  readonly #options: BrokerLifecycleOptions;
  #epoch = -1;
  /** When the last heartbeat that was answered was sent, monotonic milliseconds. */
  #heardAt = Number.NEGATIVE_INFINITY;
  /** Changes of the controller that this broker has seen, and how many it had when that was sent. */
  #controllerChanges = 0;
  #heardAfterChanges = 0;
  /** Partitions may have been given to others before that, while this broker had no session. */
  #mustHave = -1;
  #isFenced = true;
  #wantsIn = false;
  #wantsShutDown = false;
  #mayShutDown = false;
  #isStopped = false;
  #previousEpoch: number;
  #timer: Timer | null = null;
  #underWay: Promise<void> | null = null;
  #changed: (() => void) | null = null;

  constructor(options: BrokerLifecycleOptions) {
    this.#options = options;
    this.#previousEpoch = options.previousEpoch;
    options.store.onLeaderChange(() => this.#controllerChanged());
  }

  /** Number of this life of the broker; -1 until it is registered. */
  get epoch(): number {
    return this.#epoch;
  }
  /**
   * Whether it is sure that the controller has not given this broker's partitions to others for its
   * silence: a process that was stopped finds out here that its time has passed. A controller that
   * is new goes by what it has seen itself, and may wait less: it has to be heard of first. And what
   * it has changed until then has to be known here.
   */
  get hasSession(): boolean {
    const { alone, store } = this.#options;
    return alone || (this.#isHeardOf && store.lastOffset >= this.#mustHave);
  }
  /** The controller counts this broker among those that live, and goes on doing so for a while. */
  get #isHeardOf(): boolean {
    const { clock, settings } = this.#options;
    if (this.#heardAfterChanges !== this.#controllerChanges) return false;
    return !this.#isFenced && clock.monotonic() - this.#heardAt < settings.sessionMs;
  }
  /** As the controller said last. */
  get isFenced(): boolean {
    return this.#isFenced;
  }

  /**
   * Resolves when the broker is registered and its image says so; keeps trying until then. Alone, it
   * throws KAFKA_STORAGE_ERROR when there is no room.
   */
  async register(): Promise<void> {
    const { clock, logger, store } = this.#options;
    let told = '';
    while (!this.#isStopped) {
      try {
        await this.#register();
        break;
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        // Alone, nobody else has room for it; of several, another one will be the controller.
        if (error.code === ErrorCode.KAFKA_STORAGE_ERROR && this.#options.alone) throw error;
        const reason = reasonOf(error);
        if (reason !== told)
          logger.warn('the broker is not registered yet', { 'error.message': reason });
        told = reason;
        await sleep(clock, RETRY_MS);
      }
    }
    while (!this.#isStopped && store.lastOffset < this.#epoch) await sleep(clock, LOOK_MS);
  }

  async #register(): Promise<void> {
    const { nodeId, clusterId, incarnationId, rack, endPoints, directories } = this.#options;
    const { channel, settings, logger } = this.#options;
    const body = {
      brokerId: nodeId,
      clusterId,
      incarnationId,
      listeners: endPoints().map((endPoint) => ({ ...endPoint })),
      features: [...features.values()].map(({ name, min, max }) => ({
        name,
        minSupportedVersion: min,
        maxSupportedVersion: max,
      })),
      rack,
      isMigratingZkBroker: false,
      logDirs: directories().online,
      previousBrokerEpoch: this.#previousEpoch,
    };
    const answer = await channel.send(calls.brokerRegistration, body, settings.sessionMs);
    if (answer.errorCode !== ErrorCode.NONE) {
      throw new ProtocolError(
        answer.errorCode,
        `the controller refuses the registration: ${errorName(answer.errorCode)}`,
      );
    }
    this.#epoch = answer.brokerEpoch;
    // From now on this life is the previous one.
    this.#previousEpoch = answer.brokerEpoch;
    this.#isFenced = true;
    logger.debug('the broker is registered', { 'weir.broker.epoch': this.#epoch });
  }

  /** Asks to be let in; resolves when the broker may lead. Heartbeats go on from here. */
  async unfence(): Promise<void> {
    this.#wantsIn = true;
    this.#beat();
    await this.#until(() => !this.#isFenced);
    const { clock, store } = this.#options;
    while (!this.#isStopped && store.lastOffset < this.#mustHave) await sleep(clock, LOOK_MS);
  }

  /**
   * Registers and asks to be let in as soon as there is room for that: of a broker that is alone and
   * serves already. Resolves then, or when it stops.
   */
  async enterLater(): Promise<void> {
    while (!this.#isStopped) {
      await sleep(this.#options.clock, NO_ROOM_RETRY_MS);
      try {
        await this.register();
        break;
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
      }
    }
    if (this.#isStopped) return;
    this.#options.logger.info('there is room again: the start of this broker is written down');
    await this.unfence();
  }

  /**
   * Asks the controller to move this broker's leaderships; resolves when it may go, or after
   * `timeoutMs`.
   */
  async shutDown(timeoutMs: number): Promise<void> {
    const { clock } = this.#options;
    this.#wantsShutDown = true;
    this.#beat();
    const late = clock.after(timeoutMs, () => {
      this.#isStopped = true;
      this.#changed?.();
    });
    await this.#until(() => this.#mayShutDown);
    late.cancel();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#changed?.();
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds() && !this.#isStopped) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  #controllerChanged(): void {
    this.#controllerChanges += 1;
    // Before the first heartbeat there is nothing to go on with.
    if (this.#timer !== null) this.#beat();
  }

  /**
   * A connection to that broker is gone. The controller takes the end of the one that brings heartbeats
   * for the end of their broker, unless it soon hears otherwise.
   */
  connectionLost(nodeId: number): void {
    const { store, clock } = this.#options;
    if (nodeId !== store.leaderId || this.#timer === null) return;
    if (this.#isStopped || this.#underWay !== null) return;
    this.#timer.cancel();
    this.#timer = clock.after(URGENT_HEARTBEAT_MS, () => this.#beat());
  }

  #beat(): void {
    this.#timer?.cancel();
    if (this.#isStopped || this.#underWay !== null) return;
    this.#underWay = this.#heartbeat()
      .catch((error: unknown) => {
        this.#options.logger.debug('no answer to a heartbeat', {
          'error.message': reasonOf(error),
        });
        if (this.#wantsShutDown) this.#isStopped = true;
      })
      .finally(() => {
        this.#underWay = null;
        this.#changed?.();
        if (this.#isStopped) return;
        this.#timer = this.#options.clock.after(this.#pauseMs, () => this.#beat());
      });
  }

  /** Until the next heartbeat. Nobody waits for those of a broker that is alone, and each wakes it up. */
  get #pauseMs(): number {
    const { alone, settings } = this.#options;
    const isUrgent = this.#isFenced || this.#wantsShutDown || !this.hasSession;
    if (isUrgent) return URGENT_HEARTBEAT_MS;
    return alone ? settings.sessionMs * ALONE_SESSION_SHARE : settings.heartbeatMs;
  }

  async #heartbeat(): Promise<void> {
    const { nodeId, channel, store, settings, directories, logger } = this.#options;
    const body = {
      brokerId: nodeId,
      brokerEpoch: this.#epoch,
      currentMetadataOffset: store.lastOffset,
      wantFence: !this.#wantsIn,
      wantShutDown: this.#wantsShutDown,
      offlineLogDirs: directories().offline,
    };
    const timeoutMs = this.#wantsShutDown ? FAREWELL_MS_MAX : settings.sessionMs;
    const sentAt = this.#options.clock.monotonic();
    const sentAfterChanges = this.#controllerChanges;
    const answer = await channel.send(calls.brokerHeartbeat, body, timeoutMs);
    if (
      answer.errorCode === ErrorCode.STALE_BROKER_EPOCH ||
      answer.errorCode === ErrorCode.BROKER_ID_NOT_REGISTERED
    ) {
      logger.warn('the controller does not know this broker any more; it registers anew');
      await this.#register();
      return;
    }
    if (answer.errorCode !== ErrorCode.NONE) {
      throw new ProtocolError(answer.errorCode, 'the controller refuses the heartbeat');
    }
    if (answer.isFenced && !this.#isFenced && !this.#wantsShutDown) {
      logger.warn('the controller has fenced this broker');
    }
    if (!this.#isHeardOf) this.#mustHave = answer.metadataOffset;
    this.#isFenced = answer.isFenced;
    this.#heardAt = sentAt;
    this.#heardAfterChanges = sentAfterChanges;
    this.#mayShutDown = answer.shouldShutDown;
  }
}
