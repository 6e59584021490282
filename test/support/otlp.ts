/** Writes OTLP metrics as clients do, field by field (protobuf). */

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}

export const bytesField = (field: number, ...parts: Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts);
  return Buffer.concat([varint(field * 8 + 2), varint(body.length), body]);
};
const text = (field: number, value: string): Buffer => bytesField(field, Buffer.from(value));
const number = (field: number, value: number): Buffer =>
  Buffer.concat([varint(field * 8), varint(value)]);
const fixed = (field: number, write: (bytes: Buffer) => void): Buffer => {
  const bytes = Buffer.alloc(8);
  write(bytes);
  return Buffer.concat([varint(field * 8 + 1), bytes]);
};
const double = (field: number, value: number): Buffer =>
  fixed(field, (bytes) => bytes.writeDoubleLE(value));
const whole = (field: number, value: number): Buffer =>
  fixed(field, (bytes) => bytes.writeBigInt64LE(BigInt(value)));

const attribute = (field: number, [key, value]: readonly [string, string]): Buffer =>
  bytesField(field, text(1, key), bytesField(2, text(1, value)));

export interface Metric {
  readonly name: string;
  readonly kind?: 'gauge' | 'delta' | 'cumulative' | 'histogram';
  readonly value: number;
  /** As an integer rather than a double. */
  readonly isWhole?: boolean;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly timeMs?: number;
}

function encoded(metric: Metric): Buffer {
  const { name, kind = 'gauge', value, isWhole = false, attributes = {}, timeMs = 0 } = metric;
  const pairs = Object.entries(attributes);
  const time = whole(3, timeMs * 1_000_000);
  if (kind === 'histogram') {
    const bounds = Buffer.alloc(16, 1);
    const point = bytesField(
      1,
      ...[time, whole(4, 7), double(5, value), bytesField(6, bounds), bytesField(7, bounds)],
      ...pairs.map((pair) => attribute(9, pair)),
    );
    return bytesField(2, text(1, name), bytesField(9, point, number(2, 1)));
  }
  const point = bytesField(
    1,
    ...pairs.map((pair) => attribute(7, pair)),
    ...[time, isWhole ? whole(6, value) : double(4, value)],
  );
  if (kind === 'gauge') return bytesField(2, text(1, name), bytesField(5, point));
  const sum = bytesField(7, point, number(2, kind === 'delta' ? 1 : 2), number(3, 1));
  return bytesField(2, text(1, name), text(2, 'what it is'), text(3, '1'), sum);
}

/** A `MetricsData` message of one resource. */
export const metricsData = (
  metrics: readonly Metric[],
  resource: Readonly<Record<string, string>> = {},
): Buffer =>
  bytesField(
    1,
    bytesField(2, bytesField(1, text(1, 'scope')), ...metrics.map(encoded)),
    bytesField(1, ...Object.entries(resource).map((pair) => attribute(1, pair))),
  );
