/** Requests that more than one scene sends. */
import type { Side } from './side.ts';

export const UNKNOWN_ID = 'AAAAAAAAAAAAAAAAAAAACA';

export interface Sent {
  readonly version?: number;
  readonly acks?: number;
  readonly partition?: number;
  readonly note?: string;
  readonly transactionalId?: string;
}

export const send = (
  side: Side,
  topic: string,
  records: Buffer | null,
  sent: Sent = {},
): Promise<any> => {
  const { version = 9, acks = -1, partition = 0, note = '', transactionalId = null } = sent;
  const where = version >= 13 ? { topicId: topic } : { name: topic };
  return side.ask(
    'Produce',
    version,
    {
      transactionalId,
      acks,
      timeoutMs: 5000,
      topicData: [{ ...where, partitionData: [{ index: partition, records }] }],
    },
    note,
  );
};

export const ends = async (side: Side, name: string, partitions: number): Promise<void> => {
  for (const timestamp of [-1, -2]) {
    await side.ask('ListOffsets', 4, {
      replicaId: -1,
      topics: [
        {
          name,
          partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({
            partitionIndex,
            timestamp,
          })),
        },
      ],
    });
  }
};

export type Wanted = readonly [
  topic: string,
  partition: number,
  fetchOffset: number,
  more?: object,
];

export const fetchBody = (wanted: readonly Wanted[], more: object = {}, byId = false) => ({
  maxWaitMs: 0,
  minBytes: 1,
  maxBytes: 1_000_000,
  topics: wanted.map(([topic, partition, fetchOffset, fields]) => ({
    ...(byId ? { topicId: topic } : { topic }),
    partitions: [{ partition, fetchOffset, partitionMaxBytes: 1_000_000, ...fields }],
  })),
  ...more,
});
