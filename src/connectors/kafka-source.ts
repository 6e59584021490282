/**
 * The log over Kafka's protocol: a member of a consumer group, which says what is ours, and a
 * fetcher, which brings batches as they are. A partition without a committed offset is read from
 * its beginning, because a destination is to have everything that the log has. The leader epoch is
 * committed with the offset, so that a log which was cut off before that offset is noticed, also
 * when it has grown beyond it again.
 */
import { ZERO_UUID } from '../base/bytes.ts';
import { OperatingError } from '../base/errors.ts';
import type { Client } from '../client/client.ts';
import { Fetcher } from '../client/fetcher.ts';
import { GroupMember } from '../client/group-member.ts';
import type { CommittedOffset } from '../client/group-offsets.ts';
import { partitionKey, type TopicPartition } from '../client/list-offsets.ts';
import type { OffsetToCommit, Source, SourceBatches, SourceListener } from './source.ts';

export interface KafkaSourceOptions {
  readonly group: string;
  readonly topics: readonly string[];
  /** Static membership (KIP-345): whoever comes back under this name has its partitions at once. */
  readonly instanceId: string;
  /** Told when it is out of the group for good: another one has its instance id. */
  readonly onFatal: (error: Error) => void;
}

const PARTITION_FETCH_BYTES_MAX = 2 * 1024 * 1024;
const FETCH_BYTES_MAX = 8 * 1024 * 1024;
/** Fetched and not yet taken. */
const BUFFER_BYTES_MAX = 8 * 1024 * 1024;
/** How long a poll waits for the first record. */
const POLL_MS = 500;

export class KafkaSource implements Source {
  readonly #client: Client;
  readonly #options: KafkaSourceOptions;
  readonly #fetcher: Fetcher;
  #member: GroupMember | null = null;

  constructor(client: Client, options: KafkaSourceOptions) {
    this.#client = client;
    this.#options = options;
    this.#fetcher = new Fetcher(client, {
      offsetReset: 'earliest',
      maxBytes: FETCH_BYTES_MAX,
      partitionMaxBytes: PARTITION_FETCH_BYTES_MAX,
      bufferBytes: BUFFER_BYTES_MAX,
    });
  }

  get fault(): string {
    return this.#member?.fault ?? '';
  }
  get rebalances(): number {
    return this.#member?.counters.rebalances ?? 0;
  }

  start(listener: SourceListener): Promise<void> {
    const member = new GroupMember(this.#client, {
      groupId: this.#options.group,
      topics: this.#options.topics,
      groupInstanceId: this.#options.instanceId,
      // Rights may be given a minute late: nobody is to start a connector again for that.
      isPatient: true,
      onAssigned: (partitions) => this.#assigned(member, partitions, listener),
      onRevoked: async (partitions, lost) => {
        await listener.revoked(partitions, lost);
        this.#fetcher.assign([]);
      },
      onFatal: this.#options.onFatal,
    });
    this.#member = member;
    member.start();
    return Promise.resolve();
  }

  async #assigned(
    member: GroupMember,
    partitions: readonly TopicPartition[],
    listener: SourceListener,
  ): Promise<void> {
    const committed = new Map<string, CommittedOffset>();
    for (const found of await member.committed(partitions)) {
      if (found.offset >= 0) committed.set(partitionKey(found), found);
    }
    const { metadata } = this.#client;
    const isUnknown = ({ topic }: TopicPartition): boolean => metadata.topic(topic) === undefined;
    // Whoever does not lead the group may know nothing yet, and windows are of one topic's id.
    if (partitions.some(isUnknown)) await metadata.refresh();
    listener.assigned(
      partitions.map((p) => ({
        topic: p.topic,
        topicId: this.#topicId(p.topic, ZERO_UUID),
        partition: p.partition,
        offset: committed.get(partitionKey(p))?.offset ?? 0,
        metadata: committed.get(partitionKey(p))?.metadata ?? '',
      })),
    );
    // Where a log begins is not asked here: one without a leader would keep all others waiting.
    this.#fetcher.assign(
      partitions.map((p) => committed.get(partitionKey(p)) ?? { ...p, offset: 'earliest' }),
    );
  }

  /** The id that the broker gave with the data, else that of the metadata. */
  #topicId(topic: string, fetched: string): string {
    return fetched === ZERO_UUID ? (this.#client.metadata.topic(topic)?.id ?? ZERO_UUID) : fetched;
  }

  async poll(): Promise<readonly SourceBatches[]> {
    const fetched = await this.#fetcher.poll(POLL_MS);
    return fetched.map(({ topic, topicId, partition, fetchOffset, highWatermark, records }) => ({
      topic,
      topicId: this.#topicId(topic, topicId),
      partition,
      fetchOffset,
      highWatermark,
      records,
    }));
  }

  pause(topic: string, partition: number): void {
    ifAssigned(() => this.#fetcher.pause([{ topic, partition }]));
  }
  resume(topic: string, partition: number): void {
    ifAssigned(() => this.#fetcher.resume([{ topic, partition }]));
  }

  async commit(offsets: readonly OffsetToCommit[]): Promise<void> {
    if (this.#member === null) throw new OperatingError('no-member', 'not in the group');
    await this.#member.commit(offsets);
  }

  async close(): Promise<void> {
    await this.#member?.leave();
    this.#fetcher.close();
  }
}

/** A partition that was just given away needs neither pause nor resume. */
function ifAssigned(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof OperatingError && error.code === 'not-assigned')) throw error;
  }
}
