/**
 * Topics that nobody has created but somebody needs: those that clients ask for by name, and the
 * brokers' own. The controller creates them; whoever asked is told to ask again.
 */
import { reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { calls } from '../client/call.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import type { Configs } from './configs.ts';
import type { ControllerChannel } from './controller-channel.ts';
import type { MetadataImage } from './metadata-image.ts';
import { OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from './topic-names.ts';

/** Topics that are being created; more are not begun. */
const PENDING_MAX = 1000;

/** Time for the controller to create them, milliseconds. */
const CREATE_MS_MAX = 30_000;

const SEGMENT_BYTES_MIN = 1024 * 1024;

export interface AutoTopicsOptions {
  readonly channel: ControllerChannel;
  readonly configs: Configs;
  readonly image: MetadataImage;
  readonly logger: Logger;
}

export class AutoTopics {
  readonly #channel: ControllerChannel;
  readonly #configs: Configs;
  readonly #image: MetadataImage;
  readonly #logger: Logger;
  readonly #creating = new Set<string>();

  constructor({ channel, configs, image, logger }: AutoTopicsOptions) {
    this.#channel = channel;
    this.#configs = configs;
    this.#image = image;
    this.#logger = logger;
  }

  /** Whether the topic exists; if not, it is being created from now on. */
  provide(name: string): boolean {
    if (this.#image.topic(name) !== undefined) return true;
    this.create([name]);
    return false;
  }

  /** Begins to create those that are not being created already. Does not wait. */
  create(names: readonly string[]): void {
    const fresh = names.filter((name) => !this.#creating.has(name));
    const room = PENDING_MAX - this.#creating.size;
    const begun = fresh.slice(0, Math.max(room, 0));
    if (begun.length === 0) return;
    for (const name of begun) this.#creating.add(name);
    this.#create(begun)
      .catch((error: unknown) => {
        this.#logger.warn('topics could not be created automatically', {
          'error.message': reasonOf(error),
        });
      })
      .finally(() => {
        for (const name of begun) this.#creating.delete(name);
      });
  }

  async #create(names: readonly string[]): Promise<void> {
    const topics = names.map((name) => this.#topic(name));
    const body = { topics, timeoutMs: CREATE_MS_MAX, validateOnly: false };
    const answer = await this.#channel.send(calls.createTopics, body, CREATE_MS_MAX);
    for (const { name, errorCode, errorMessage } of answer.topics) {
      if (errorCode === ErrorCode.NONE || errorCode === ErrorCode.TOPIC_ALREADY_EXISTS) continue;
      this.#logger.warn('a topic could not be created automatically', {
        'kafka.topic': name,
        'error.message': errorMessage,
      });
    }
  }

  /** How many replicas it has is the controller's to say. */
  #topic(name: string) {
    const common = { name, replicationFactor: -1, assignments: [] };
    if (name === OFFSETS_TOPIC)
      return { ...common, ...this.#internal('offsets.topic', 'producer') };
    if (name !== TRANSACTIONS_TOPIC) return { ...common, numPartitions: -1, configs: [] };
    const topic = this.#internal('transaction.state.log', 'uncompressed');
    const minIsr = String(this.#configs.number('transaction.state.log.min.isr'));
    const configs = [
      ...topic.configs,
      { name: 'min.insync.replicas', value: minIsr },
      // A decision that is lost could be made again, and otherwise.
      { name: 'unclean.leader.election.enable', value: 'false' },
    ];
    return { ...common, ...topic, configs };
  }

  #internal(settings: string, compression: string) {
    const configs = this.#configs;
    const segmentBytes = Math.max(configs.number(`${settings}.segment.bytes`), SEGMENT_BYTES_MIN);
    return {
      numPartitions: configs.number(`${settings}.num.partitions`),
      configs: [
        { name: 'cleanup.policy', value: 'compact' },
        { name: 'compression.type', value: compression },
        { name: 'segment.bytes', value: String(segmentBytes) },
      ],
    };
  }
}
