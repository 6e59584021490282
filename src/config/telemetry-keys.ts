/** What can be set on a broker about the metrics that clients push (KIP-714). */
import type { Key } from './table.ts';

export const telemetryKeys: readonly Key[] = [
  {
    name: 'telemetry.max.bytes',
    type: 'int',
    default: 1024 * 1024,
    min: 1,
    doc: 'Largest push of a client’s metrics, compressed, in bytes; unpacked it may be eight times as large.',
  },
  {
    name: 'telemetry.topic',
    type: 'string',
    default: 'metrics',
    doc: 'Topic that gets the metrics of clients as records; it is created when it is missing.',
  },
];
