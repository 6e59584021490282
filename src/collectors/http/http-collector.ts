import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../../base/clock.ts';
import { OperatingError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { RoleStatus } from '../../base/role.ts';
import { Balance } from '../balance.ts';
import type { Collector, Tally } from '../collector.ts';
import type { JsonFields } from '../json-record.ts';
import { plainAddress, type RecordSink, type SinkFactory } from '../record-sink.ts';
import type { HttpSettings } from '../settings.ts';
import { asUtf8, BodyBudget, decodeBody, isIdentity, readBody, withoutMark } from './body.ts';
import { type BodyMode, Ingest } from './ingest.ts';

/**
 * `POST /ingest`: JSON (object, array, concatenated), NDJSON, text, in UTF-8 or the charset that is
 * named; gzip, zstd and deflate bodies.
 *
 * 200 `{"accepted":n,"rejected":m,"errors":[{"line","reason"}]}` when something was taken (or
 * nothing was sent), after the log has it as the collector's `acks` says; 400, the same, when
 * all is bad; 408 slow, 413 too long, 415 unknown type, charset or encoding; 429 and 503 with `Retry-After`
 * for the whole request. A request that is refused with 429 or 503 has to be sent again as a whole.
 */
export interface HttpCollector extends Collector {
  readonly plugin: FastifyPluginAsync;
}

export interface HttpCollectorOptions {
  readonly settings: HttpSettings;
  readonly sinks: SinkFactory;
  readonly clock: Clock;
  readonly logger: Logger;
}

const RETRY_AFTER_SECONDS = 1;
/** Bodies that are decompressed at one time; each may need `decodedBytesMax`. */
const DECODING_MAX = 4;
/** How long `stop` waits for the log. */
const STOP_TIMEOUT_MS = 5000;

const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  'body-too-large': 413,
  'body-timeout': 408,
  'body-incomplete': 400,
  'body-malformed': 400,
  'encoding-unsupported': 415,
  'type-unsupported': 415,
  'charset-unsupported': 415,
  overload: 429,
  'log-unavailable': 503,
};

const JSON_TYPES = new Set(['application/json', 'application/stream+json', 'text/json']);
const LINES_TYPES = new Set([
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'application/x-jsonl',
  'application/jsonlines',
  'application/json-lines',
]);
/** What senders say that don't know: the first byte of the body decides. */
const UNSAID_TYPES = new Set(['', 'application/x-www-form-urlencoded', 'application/octet-stream']);

/** How to read a body of that media type; null when it has to be looked at. */
function modeOf(contentType: string): BodyMode | null {
  const type = (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
  if (JSON_TYPES.has(type)) return 'values';
  if (LINES_TYPES.has(type)) return 'lines';
  if (UNSAID_TYPES.has(type)) return null;
  if (type.startsWith('text/')) return 'text';
  throw new OperatingError(
    'type-unsupported',
    `Content-Type ${JSON.stringify(type.slice(0, 80))}: expected application/json, application/x-ndjson or text/plain`,
  );
}

const charsetOf = (contentType: string): string =>
  /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(contentType)?.[1] ?? '';

function sniff(body: Buffer): BodyMode {
  for (const byte of body) {
    if (byte <= 0x20) continue;
    return byte === 0x7b || byte === 0x5b ? 'values' : 'text';
  }
  return 'text';
}

const firstText = (value: unknown): string | null => {
  const first = Array.isArray(value) ? (value[0] as unknown) : value;
  return typeof first === 'string' && first !== '' && first.length <= 256 ? first : null;
};

/** `_msg_field` and `_time_field` of the query, or headers `weir-msg-field` and `vl-msg-field`. */
function fieldsOf(request: FastifyRequest): JsonFields {
  const query = request.query as Readonly<Record<string, unknown>>;
  const { headers } = request;
  const named = (name: string): string | null =>
    firstText(query[`_${name}_field`]) ??
    firstText(headers[`weir-${name}-field`]) ??
    firstText(headers[`vl-${name}-field`]);
  return { message: named('msg'), time: named('time') };
}

class HttpIngestCollector implements HttpCollector {
  readonly name = 'http';
  readonly balance = new Balance();
  readonly #options: HttpCollectorOptions;
  readonly #budget: BodyBudget;
  readonly #requests = new Map<number, number>();
  #incomplete = 0;
  #decoding = 0;
  #sink: RecordSink | null = null;
  #ingest: Ingest | null = null;
  #lastFailure: { readonly atMs: number; readonly reason: string } | null = null;

  constructor(options: HttpCollectorOptions) {
    this.#options = options;
    this.#budget = new BodyBudget(options.settings.inFlightBytesMax);
  }

  readonly plugin: FastifyPluginAsync = (fastify: FastifyInstance): Promise<void> => {
    fastify.removeAllContentTypeParsers();
    // The body is read by hand: raw bytes, own limits.
    fastify.addContentTypeParser('*', (_request, _payload, done) => done(null));
    fastify.route({
      method: ['POST', 'PUT'],
      url: '/ingest',
      handler: (request, reply) => this.#handle(request, reply),
    });
    return Promise.resolve();
  };

  start(): Promise<void> {
    const { settings, sinks, clock } = this.#options;
    this.#sink = sinks({
      name: this.name,
      acks: settings.acks,
      delivery: (report) => this.#ingest?.delivered(report),
    });
    this.#ingest = new Ingest({
      sink: this.#sink,
      topic: settings.topic,
      balance: this.balance,
      clock,
      answerTimeoutMs: settings.answerTimeoutMs,
    });
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    const sink = this.#sink;
    this.#sink = null;
    await sink?.close(STOP_TIMEOUT_MS);
  }

  async #handle(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    try {
      const result = await this.#take(request);
      const status = result.accepted === 0 && result.rejected > 0 ? 400 : 200;
      this.#count(status);
      return reply.code(status).send(result);
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error;
      return this.#refuse(error, reply);
    }
  }

  async #take(request: FastifyRequest): ReturnType<Ingest['take']> {
    const { settings, clock } = this.#options;
    const [ingest, sink] = [this.#ingest, this.#sink];
    if (ingest === null || sink === null) throw new OperatingError('log-unavailable', 'stopping');
    const contentType = request.headers['content-type'] ?? '';
    const mode = modeOf(contentType);
    if (sink.bufferedBytes > settings.bufferBytesMax) {
      throw new OperatingError('overload', 'the log takes records slower than they come');
    }
    const sent = await readBody(request.raw, Number(request.headers['content-length'] ?? 0), {
      bytesMax: settings.bodyBytesMax,
      timeoutMs: settings.requestTimeoutMs,
      clock,
      budget: this.#budget,
    });
    let held = sent.length;
    try {
      const unpacked = await this.#unpack(request.headers['content-encoding'] ?? '', sent);
      const body = asUtf8(charsetOf(contentType), unpacked, settings.decodedBytesMax);
      if (body !== sent) {
        this.#budget.take(body.length);
        held += body.length;
      }
      const text = withoutMark(body);
      return await ingest.take({
        body: text,
        mode: mode ?? sniff(text),
        peer: plainAddress(request.ip),
        fields: fieldsOf(request),
      });
    } finally {
      this.#budget.give(held);
    }
  }

  async #unpack(encoding: string, sent: Buffer): Promise<Buffer> {
    const { decodedBytesMax } = this.#options.settings;
    if (isIdentity(encoding)) return decodeBody(encoding, sent, decodedBytesMax);
    if (this.#decoding >= DECODING_MAX) {
      throw new OperatingError('overload', `${DECODING_MAX} bodies are being decompressed`);
    }
    this.#decoding++;
    try {
      return await decodeBody(encoding, sent, decodedBytesMax);
    } finally {
      this.#decoding--;
    }
  }

  #refuse(error: OperatingError, reply: FastifyReply): FastifyReply {
    const status = STATUS_OF_CODE[error.code];
    if (status === undefined) throw error;
    this.#count(status);
    if (error.code === 'body-incomplete') this.#incomplete++;
    if (status === 429 || status === 503) {
      reply.header('retry-after', RETRY_AFTER_SECONDS);
      this.#lastFailure = { atMs: this.#options.clock.monotonic(), reason: error.message };
    }
    // What is left of the body is not worth reading.
    if (status === 413 || status === 408) reply.header('connection', 'close');
    return reply.code(status).send({ error: error.code, reason: error.message });
  }

  #count(status: number): void {
    this.#requests.set(status, (this.#requests.get(status) ?? 0) + 1);
  }

  status(): RoleStatus {
    const failure = this.#lastFailure;
    const recent = failure !== null && this.#options.clock.monotonic() - failure.atMs < 60_000;
    return {
      light: recent ? 'yellow' : 'green',
      reason: recent ? `requests were refused: ${failure.reason}` : '',
      details: { requests: Object.fromEntries(this.#requests) },
    };
  }

  *tallies(): Iterable<Tally> {
    for (const [status, count] of this.#requests) yield [`requests_${status}`, count];
    yield ['requests_incomplete', this.#incomplete];
    yield ['dead_letters_dropped', this.#ingest?.deadLettersDropped ?? 0];
  }

  *gauges(): Iterable<Tally> {
    yield ['body_bytes', this.#budget.used];
    yield ['buffered_bytes', this.#sink?.bufferedBytes ?? 0];
  }
}

export function httpCollector(options: HttpCollectorOptions): HttpCollector {
  return new HttpIngestCollector(options);
}
