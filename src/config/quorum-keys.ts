/** What can be set on the quorum that keeps the metadata: Kafka's names, defaults for one machine. */
import { type Key, LONG_MAX } from './table.ts';

const INT_MAX = 2 ** 31 - 1;
const MIB = 1024 * 1024;

export const quorumKeys: readonly Key[] = [
  {
    name: 'controller.quorum.fetch.timeout.ms',
    type: 'int',
    default: 700,
    min: 100,
    max: INT_MAX,
    doc: 'A leader of the metadata that has not answered for so many milliseconds is replaced; one that has not heard of a majority for one and a half times as long gives up.',
  },
  {
    name: 'controller.quorum.election.timeout.ms',
    type: 'int',
    default: 300,
    min: 20,
    max: INT_MAX,
    doc: 'Longest wait for votes, and between two attempts to be elected, in milliseconds; up to eight times as long after several that came to nothing.',
  },
  {
    name: 'metadata.log.max.record.bytes.between.snapshots',
    type: 'long',
    default: 20 * MIB,
    min: 1,
    doc: 'A snapshot of the metadata is written when so many bytes of records have come since the last one.',
  },
  {
    name: 'metadata.log.max.snapshot.interval.ms',
    type: 'long',
    default: 3_600_000,
    min: 0,
    max: LONG_MAX,
    doc: 'A change of the metadata makes a new snapshot due when the last one is older than this, in milliseconds; 0: only its size does.',
  },
];
