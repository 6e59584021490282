/** Writes the markers that end transactions into the partitions that this broker leads. */
import type { Clock } from '../base/clock.ts';
import type { Partitions } from '../cluster/partitions.ts';
import { OFFSETS_TOPIC } from '../cluster/topic-names.ts';
import type { GroupCoordinator } from '../coordinator/group-coordinator.ts';
import type { MarkersRequest, MarkersResponse } from '../coordinator/transactions/marker-sender.ts';
import { MARKERS_MS_MAX } from '../coordinator/transactions/transaction-settings.ts';
import { encodeMarkerBatch } from '../protocol/end-transaction-marker.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import type { HotSettings } from './services.ts';

type Marker = MarkersRequest['markers'][number];

export interface MarkerWriterOptions {
  readonly partitions: Partitions;
  readonly groups: () => GroupCoordinator;
  readonly hot: HotSettings;
  readonly clock: Clock;
}

export class MarkerWriter {
  readonly #options: MarkerWriterOptions;

  constructor(options: MarkerWriterOptions) {
    this.#options = options;
  }

  /** Resolves when each of them is as safe as acks=all makes it, or can't be written. */
  async write(request: MarkersRequest): Promise<MarkersResponse> {
    const markers = await Promise.all(
      request.markers.map(async (marker) => ({
        producerId: marker.producerId,
        topics: await Promise.all(
          marker.topics.map(async ({ name, partitionIndexes }) => ({
            name,
            partitions: await Promise.all(
              partitionIndexes.map(async (partitionIndex) => ({
                partitionIndex,
                errorCode: await this.#writeOne(marker, name, partitionIndex),
              })),
            ),
          })),
        ),
      })),
    );
    return { markers };
  }

  async #writeOne(marker: Marker, topic: string, index: number): Promise<number> {
    const { partitions, groups, hot, clock } = this.#options;
    const { producerId, producerEpoch, coordinatorEpoch, transactionVersion } = marker;
    const end = {
      producerId,
      producerEpoch,
      coordinatorEpoch,
      committed: marker.transactionResult,
      timestamp: clock.now(),
      transactionVersion,
    };
    const partition = partitions.get(topic, index);
    if (partition === undefined || partition.isOffline) {
      return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (topic === OFFSETS_TOPIC)
      return forCoordinator(await groups().completeTransaction(index, end));
    try {
      const how = { origin: 'coordinator', acksAll: true, transactionVersion } as const;
      const { lastOffset } = partition.append(encodeMarkerBatch(end), how);
      const deadline = clock.monotonic() + MARKERS_MS_MAX;
      return await partition.whenCommitted(lastOffset, hot.flushOnAcksAll, deadline);
    } catch (error) {
      if (error instanceof ProtocolError) return error.code;
      throw error;
    }
  }
}

/** The coordinator of transactions does not know what keeps the one of groups from answering. */
function forCoordinator(code: number): number {
  const isAway =
    code === ErrorCode.COORDINATOR_NOT_AVAILABLE ||
    code === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS ||
    code === ErrorCode.NOT_COORDINATOR;
  return isAway ? ErrorCode.NOT_LEADER_OR_FOLLOWER : code;
}
