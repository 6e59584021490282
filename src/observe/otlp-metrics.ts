/**
 * Reads the metrics of an OTLP `MetricsData` message (opentelemetry.proto.metrics.v1, protobuf).
 *
 * By hand, because it is five nested messages of which two kinds of value matter, and the generated
 * code of the npm packages makes an object of every field, however many a client sends. Here the
 * message is walked, bounded by its length and `POINTS_MAX`, and each point is shown once.
 *
 * Gauges and sums are read; of a histogram its count and its sum, of a summary likewise.
 */

/** Points of one message; what comes behind them is not read. */
export const POINTS_MAX = 20_000;

/** Attributes of one point, with those of its resource. */
const ATTRIBUTES_MAX = 64;

export interface OtlpPoint {
  /** Name of the metric, such as `org.apache.kafka.producer.record.send.total`. */
  readonly name: string;
  /** A sum that only goes up is a counter. */
  readonly type: 'counter' | 'gauge';
  /** What has been added since the last point, rather than since the start. */
  readonly isDelta: boolean;
  readonly value: number;
  /** Milliseconds since 1970; 0: the point does not say. */
  readonly timeMs: number;
  /** Of the resource, and of the point, which come later and count more. */
  readonly attributes: readonly (readonly [key: string, value: string])[];
}

/** Calls `visit` with each point. Throws RangeError on bytes that are no such message. */
export function readOtlpMetrics(bytes: Buffer, visit: (point: OtlpPoint) => void): void {
  let left = POINTS_MAX;
  const counted = (point: OtlpPoint): void => {
    if (left > 0) visit(point);
    left -= 1;
  };
  for (const [field, value] of fieldsOf(bytes)) {
    if (field === 1) readResource(message(value), counted);
  }
}

type Visit = (point: OtlpPoint) => void;
type Attributes = (readonly [key: string, value: string])[];

function readResource(bytes: Buffer, visit: Visit): void {
  const attributes: Attributes = [];
  const scopes: Buffer[] = [];
  // Fields come in any order.
  for (const [field, value] of fieldsOf(bytes)) {
    if (field === 2) scopes.push(message(value));
    else if (field === 1) {
      for (const [inner, attribute] of fieldsOf(message(value))) {
        if (inner === 1) readAttribute(message(attribute), attributes);
      }
    }
  }
  for (const scope of scopes) {
    for (const [field, value] of fieldsOf(scope)) {
      if (field === 2) readMetric(message(value), attributes, visit);
    }
  }
}

/** Fields of a Metric that hold its points, and the field of those that holds their attributes. */
const GAUGE = 5;
const SUM = 7;
const HISTOGRAM = 9;
const SUMMARY = 11;
const attributesAt: ReadonlyMap<number, number> = new Map([
  [GAUGE, 7],
  [SUM, 7],
  [HISTOGRAM, 9],
  [SUMMARY, 7],
]);
const DELTA = 1;

function readMetric(bytes: Buffer, resource: Attributes, visit: Visit): void {
  let name = '';
  let kind = 0;
  let data: Buffer = NOTHING;
  for (const [field, value] of fieldsOf(bytes)) {
    if (field === 1) name = message(value).toString();
    else if (attributesAt.has(field)) [kind, data] = [field, message(value)];
  }
  if (kind === 0 || name === '') return;
  let isDelta = false;
  let isMonotonic = kind === HISTOGRAM || kind === SUMMARY;
  const points: Buffer[] = [];
  for (const [field, value] of fieldsOf(data)) {
    if (field === 1) points.push(message(value));
    else if (field === 2) isDelta = value === DELTA;
    else if (field === 3 && kind === SUM) isMonotonic = value === 1;
  }
  const named: Named = { name, type: isMonotonic ? 'counter' : 'gauge', isDelta };
  const isNumber = kind === GAUGE || kind === SUM;
  for (const point of points) {
    if (isNumber) readNumber(point, named, resource, visit);
    else readDistribution(point, named, attributesAt.get(kind)!, resource, visit);
  }
}

type Named = Pick<OtlpPoint, 'name' | 'type' | 'isDelta'>;

/** NumberDataPoint. */
function readNumber(bytes: Buffer, named: Named, resource: Attributes, visit: Visit): void {
  const attributes = [...resource];
  let value = Number.NaN;
  let timeMs = 0;
  for (const [field, given] of fieldsOf(bytes)) {
    if (field === 3) timeMs = millis(given);
    else if (field === 4) value = double(given);
    else if (field === 6) value = whole(given);
    else if (field === 7) readAttribute(message(given), attributes);
  }
  visit({ ...named, value, timeMs, attributes });
}

/** HistogramDataPoint and SummaryDataPoint, which have their count and sum in the same places. */
function readDistribution(
  bytes: Buffer,
  named: Named,
  attributesField: number,
  resource: Attributes,
  visit: Visit,
): void {
  const attributes = [...resource];
  let count = Number.NaN;
  let sum = Number.NaN;
  let timeMs = 0;
  for (const [field, given] of fieldsOf(bytes)) {
    if (field === 3) timeMs = millis(given);
    else if (field === 4) count = whole(given);
    else if (field === 5) sum = double(given);
    else if (field === attributesField) readAttribute(message(given), attributes);
  }
  visit({ ...named, name: `${named.name}.count`, value: count, timeMs, attributes });
  visit({ ...named, name: `${named.name}.sum`, value: sum, timeMs, attributes });
}

/** KeyValue with an AnyValue that is a text, a number or a truth value; others are left out. */
function readAttribute(bytes: Buffer, into: Attributes): void {
  if (into.length >= ATTRIBUTES_MAX) return;
  let key = '';
  let text: string | null = null;
  for (const [field, value] of fieldsOf(bytes)) {
    if (field === 1) key = message(value).toString();
    else if (field === 2) text = anyValue(message(value));
  }
  if (key !== '' && text !== null) into.push([key, text]);
}

function anyValue(bytes: Buffer): string | null {
  let text: string | null = null;
  for (const [field, value] of fieldsOf(bytes)) {
    if (field === 1) text = message(value).toString();
    else if (field === 2) text = value === 0 ? 'false' : 'true';
    else if (field === 3) text = String(value);
    else if (field === 4) text = String(double(value));
  }
  return text;
}

/** A varint as a number, the bytes of everything else. */
type Value = number | Buffer;

const NOTHING = Buffer.alloc(0);

function message(value: Value): Buffer {
  if (typeof value !== 'number') return value;
  throw new RangeError('a protobuf number where a message is due');
}
function sized(value: Value): Buffer {
  if (typeof value !== 'number' && value.length === 8) return value;
  throw new RangeError('a protobuf field that is no number of 8 bytes');
}
const double = (value: Value): number => sized(value).readDoubleLE(0);
const whole = (value: Value): number => Number(sized(value).readBigInt64LE(0));
const millis = (value: Value): number => Number(sized(value).readBigUInt64LE(0) / 1_000_000n);

/** Number and value of every field. Throws RangeError on what is cut off or of an unknown type. */
function* fieldsOf(bytes: Buffer): Generator<readonly [field: number, value: Value]> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < VARINT_BYTES_MAX; i++) {
      const byte = bytes[at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw new RangeError('a protobuf varint is cut off or too long');
  };
  const take = (length: number): Buffer => {
    if (length > bytes.length - at) throw new RangeError('a protobuf message is cut off');
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    const type = tag % 8;
    if (type === 0) yield [field, varint()];
    else if (type === 1) yield [field, take(8)];
    else if (type === 2) yield [field, take(varint())];
    else if (type === 5) yield [field, take(4)];
    else throw new RangeError(`a protobuf field has wire type ${type}`);
  }
}

const VARINT_BYTES_MAX = 10;
