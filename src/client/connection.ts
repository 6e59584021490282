/**
 * One connection to one broker: pipelined requests, answered in the order in which they were sent.
 *
 * A request that is not answered in time closes the connection, because everything behind it is
 * stuck as well; every request that waits then fails with OperatingError `disconnected` or
 * `request-timeout`, and whether the broker acted on it is unknown. The bytes handed to a send
 * function must not change until its `written` callback, even when the request has failed before.
 *
 * Where the broker asks for it, the client says who it is before anything else, and again before its
 * session ends (KIP-368): requests then wait until those under way are answered and it is done.
 */
import { ByteReader } from '../base/bytes.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { OperatingError, reasonOf } from '../base/errors.ts';
import { type Stream, TLS_FAILED, type Transport } from '../base/transport.ts';
import { codec } from '../protocol/codec.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import { FrameSplitter, readResponseHeader, writeRequest } from '../protocol/frame.ts';
import type { ConnectionSecurity } from '../security/client-security.ts';
import { authenticate } from './authenticate.ts';
import { type Call, calls } from './call.ts';

export type { ConnectionSecurity };

export interface ConnectionOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly clientId: string;
  /** How this program calls itself to the broker; default `weir`. */
  readonly softwareName?: string;
  readonly host: string;
  readonly port: number;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** Requests that may wait for their answers; one more is refused. */
  readonly inFlightMax: number;
  /** Largest answer that is taken. */
  readonly frameBytesMax: number;
  /**
   * The memory of answers is used again: byte strings of one are valid until the next one comes.
   * For a caller that has one request under way at a time.
   */
  readonly reuseFrames?: boolean;
  /** TLS and SASL; null: neither. */
  readonly security?: ConnectionSecurity | null;
}

type Done<R> = (error: Error | null, response: R | null) => void;

interface Waiting {
  readonly call: Call<any, any>;
  readonly version: number;
  readonly done: Done<any>;
  readonly timer: Timer;
}

interface VersionRange {
  readonly min: number;
  readonly max: number;
}

const SOFTWARE_NAME = 'weir';
/** Another broker of the cluster: it is told of the APIs that brokers have for each other, too. */
export const PEER_SOFTWARE_NAME = 'weir-broker';
const SOFTWARE_VERSION = '0.1.0';
/** The lowest version with the client's name; a broker without it answers with what it has. */
const API_VERSIONS_VERSION = 3;
const CORRELATION_ID_MAX = 0x7fff_ffff;

/** Part of its time after which a session is renewed. */
const SESSION_PART = 0.85;

const ignore = (): void => {};

function refuse(error: Error, done: Done<any>, written: (error: Error | null) => void): void {
  written(error);
  done(error, null);
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #stream: Stream;
  readonly #waiting = new Map<number, Waiting>();
  readonly #splitter: FrameSplitter;
  #versions: ReadonlyMap<number, VersionRange> = new Map();
  #nextCorrelationId = 0;
  #closed: Error | null = null;
  #writable = true;
  /** What waits while the session is renewed; null: it is not. */
  #postponed: (() => void)[] | null = null;
  #sessionTimer: Timer | null = null;
  /** Called when the peer takes bytes again after `writable` was false. */
  onDrain: () => void = ignore;
  /** Called once, after every waiting request has failed. */
  onClose: (error: Error) => void = ignore;

  private constructor(options: ConnectionOptions, stream: Stream) {
    this.#options = options;
    this.#stream = stream;
    const reuse = options.reuseFrames === true;
    const onFrame = (frame: Buffer): void => this.#answered(frame);
    this.#splitter = new FrameSplitter(options.frameBytesMax, onFrame, { reuse });
    stream.readTarget = () => this.#splitter.target();
    stream.onData = (bytes) => this.#received(bytes);
    stream.onDrain = () => {
      this.#writable = true;
      this.onDrain();
    };
    stream.onClose = (error) => this.#close(this.#lost(reasonOf(error ?? 'closed by the broker')));
  }

  /** Connects and learns which versions the broker speaks. Rejects with OperatingError `no-broker`. */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const { transport, host, port, connectTimeoutMs, security = null } = options;
    const where = `${host}:${port}`;
    let stream: Stream;
    try {
      const tls = (await security?.tls()) ?? null;
      stream = await transport.connect(host, port, connectTimeoutMs, tls);
    } catch (error) {
      throw noBroker(where, error);
    }
    const connection = new Connection(options, stream);
    try {
      await connection.#negotiate();
      await connection.#authenticate();
    } catch (error) {
      connection.close();
      if (error instanceof OperatingError && error.code === 'not-authenticated') throw error;
      throw noBroker(where, stream.secured === null ? error : cutOff(error));
    }
    return connection;
  }

  get remote(): string {
    return `${this.#options.host}:${this.#options.port}`;
  }
  get isOpen(): boolean {
    return this.#closed === null;
  }
  /** False while more bytes wait for the peer than is good; `onDrain` tells the change. */
  get writable(): boolean {
    return this.#writable && this.#closed === null && this.#postponed === null;
  }
  get inFlight(): number {
    return this.#waiting.size;
  }

  /** The highest version that both sides speak, or -1. */
  versionOf(call: Call<any, any>, max = call.max): number {
    const range = this.#versions.get(call.key);
    if (range === undefined) return -1;
    const version = Math.min(range.max, max, call.max);
    return version < Math.max(range.min, call.min) ? -1 : version;
  }

  /** Sends and resolves to the answer. `version` is the highest to use. */
  request<Q, R>(
    call: Call<Q, R>,
    body: Q,
    options: { readonly timeoutMs?: number; readonly version?: number } = {},
  ): Promise<R> {
    return new Promise((resolve, reject) => {
      const version = this.versionOf(call, options.version);
      if (version < 0) {
        reject(new OperatingError('unsupported-version', this.#unsupported(call, options.version)));
        return;
      }
      const done: Done<R> = (error, response) =>
        error === null ? resolve(response!) : reject(error);
      this.send(call, version, body, done, ignore, options.timeoutMs);
    });
  }

  /**
   * Sends; `done` gets the answer or the error, once. `written` is called when the bytes of `body`
   * are no longer used, which may be after `done` and after the connection is closed.
   */
  send<Q, R>(
    call: Call<Q, R>,
    version: number,
    body: Q,
    done: Done<R>,
    written: (error: Error | null) => void = ignore,
    timeoutMs = this.#options.requestTimeoutMs,
  ): void {
    if (this.#postponed === null) {
      this.#send(call, version, body, done, written, timeoutMs);
      return;
    }
    const waiting = this.#postponed.length;
    if (waiting >= this.#options.inFlightMax) return refuse(this.#tooMany(waiting), done, written);
    this.#postponed.push(() => this.#send(call, version, body, done, written, timeoutMs));
  }

  #send<Q, R>(
    call: Call<Q, R>,
    version: number,
    body: Q,
    done: Done<R>,
    written: (error: Error | null) => void,
    timeoutMs: number,
  ): void {
    const refused = this.#closed ?? this.#full();
    if (refused !== null) return refuse(refused, done, written);
    const id = this.#correlationId();
    const chunks = writeRequest(call, version, id, this.#options.clientId, body);
    const timer = this.#options.clock.after(timeoutMs, () => {
      const reason = `${call.name} was not answered by ${this.remote} within ${timeoutMs} ms`;
      this.#close(new OperatingError('request-timeout', reason));
    });
    this.#waiting.set(id, { call, version, done, timer });
    if (!this.#stream.write(chunks, written)) this.#writable = false;
  }

  /** Sends a request that has no answer (Produce with acks=0). */
  sendUnanswered<Q>(
    call: Call<Q, unknown>,
    version: number,
    body: Q,
    written: (error: Error | null) => void,
  ): void {
    if (this.#closed !== null) return written(this.#closed);
    if (this.#postponed !== null) {
      this.#postponed.push(() => this.sendUnanswered(call, version, body, written));
      return;
    }
    const chunks = writeRequest(call, version, this.#correlationId(), this.#options.clientId, body);
    if (!this.#stream.write(chunks, written)) this.#writable = false;
  }

  /** Idempotent. Requests that wait fail. */
  close(): void {
    this.#close(this.#lost('closed by this side'));
  }

  #correlationId(): number {
    const id = this.#nextCorrelationId;
    this.#nextCorrelationId = id === CORRELATION_ID_MAX ? 0 : id + 1;
    return id;
  }

  #full(): Error | null {
    const { size } = this.#waiting;
    return size < this.#options.inFlightMax ? null : this.#tooMany(size);
  }

  #tooMany(count: number): OperatingError {
    return new OperatingError('too-many-in-flight', `${count} requests wait for ${this.remote}`);
  }

  #received(bytes: Buffer): void {
    try {
      this.#splitter.push(bytes);
    } catch (error) {
      this.#close(this.#lost(reasonOf(error)));
    }
  }

  #answered(frame: Buffer): void {
    if (this.#closed !== null) return;
    const first = this.#waiting.entries().next().value;
    if (first === undefined) return this.#close(this.#lost('an answer that nobody asked for'));
    const [id, { call, version, done, timer }] = first;
    let response: unknown;
    try {
      const reader = new ByteReader(frame);
      const answeredId = readResponseHeader(reader, call, version);
      if (answeredId !== id) throw new RangeError(`expected answer ${id}, saw ${answeredId}`);
      response = readBody(call, version, reader);
    } catch (error) {
      return this.#close(this.#lost(`${call.name} v${version}: ${reasonOf(error)}`));
    }
    this.#waiting.delete(id);
    timer.cancel();
    done(null, response);
    if (this.#postponed !== null && this.#waiting.size === 0) this.#onIdle();
  }

  /** Set while the session is about to be renewed, and requests are still under way. */
  #onIdle: () => void = ignore;

  async #authenticate(): Promise<void> {
    const client = this.#options.security?.sasl() ?? null;
    if (client === null) return;
    const { clock, connectTimeoutMs, requestTimeoutMs } = this.#options;
    const timeoutMs = Math.min(connectTimeoutMs, requestTimeoutMs);
    const lifetimeMs = await authenticate(client, this.remote, {
      versionOf: (call) => this.versionOf(call),
      send: (call, version, body) =>
        new Promise((resolve, reject) => {
          this.#send(
            call,
            version,
            body,
            (error, answer) => (error === null ? resolve(answer!) : reject(error)),
            ignore,
            timeoutMs,
          );
        }),
    });
    if (lifetimeMs <= 0) return;
    this.#sessionTimer = clock.after(lifetimeMs * SESSION_PART, () => {
      this.#renew().catch((error: unknown) => this.#close(this.#lost(reasonOf(error))));
    });
  }

  /** With nothing else under way: the broker takes nothing else meanwhile. */
  async #renew(): Promise<void> {
    if (this.#closed !== null) return;
    this.#postponed = [];
    if (this.#waiting.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
      this.#onIdle = ignore;
    }
    await this.#authenticate();
    const postponed = this.#postponed;
    this.#postponed = null;
    for (const send of postponed) send();
    if (this.writable) this.onDrain();
  }

  #close(error: Error): void {
    if (this.#closed !== null) return;
    this.#closed = error;
    this.#stream.destroy();
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#sessionTimer?.cancel();
    this.#onIdle();
    const postponed = this.#postponed ?? [];
    this.#postponed = null;
    for (const send of postponed) send();
    for (const { timer, done } of waiting) {
      timer.cancel();
      done(error, null);
    }
    this.onClose(error);
  }

  #lost(reason: string): OperatingError {
    return new OperatingError('disconnected', `connection to ${this.remote} lost: ${reason}`);
  }

  #unsupported(call: Call<any, any>, max = call.max): string {
    const range = this.#versions.get(call.key);
    const theirs = range === undefined ? 'it is unknown there' : `${range.min}-${range.max} there`;
    return `${this.remote} and this client share no version of ${call.name}: ${call.min}-${max} here, ${theirs}`;
  }

  /** Within the time for connecting: a process that is stopped still accepts connections. */
  async #negotiate(): Promise<void> {
    const timeoutMs = Math.min(this.#options.connectTimeoutMs, this.#options.requestTimeoutMs);
    const key = calls.apiVersions.key;
    this.#versions = new Map([[key, { min: 0, max: API_VERSIONS_VERSION }]]);
    const body = {
      clientSoftwareName: this.#options.softwareName ?? SOFTWARE_NAME,
      clientSoftwareVersion: SOFTWARE_VERSION,
      clusterId: null,
      nodeId: -1,
    };
    let answer = await this.request(calls.apiVersions, body, { timeoutMs });
    if (answer.errorCode === ErrorCode.UNSUPPORTED_VERSION) {
      answer = await this.request(calls.apiVersions, body, { version: 0, timeoutMs });
    }
    if (answer.errorCode !== ErrorCode.NONE) throw new ProtocolError(answer.errorCode);
    this.#versions = new Map(
      answer.apiKeys.map((range) => [
        range.apiKey,
        { min: range.minVersion, max: range.maxVersion },
      ]),
    );
  }
}

/** A broker that lacks the version of ApiVersions refuses it in the form of version 0. */
function readBody(call: Call<any, any>, version: number, reader: ByteReader): unknown {
  if (call.key === calls.apiVersions.key) {
    const errorCode = reader.buffer.readInt16BE(reader.pos);
    if (errorCode === ErrorCode.UNSUPPORTED_VERSION) return codec(call.response, 0).read(reader);
  }
  return codec(call.response, version).read(reader);
}

const noBroker = (where: string, cause: unknown): OperatingError =>
  new OperatingError(
    'no-broker',
    `expected a Kafka broker at ${where}, saw ${brokerFault(cause)}`,
    { cause },
  );

/**
 * In TLS 1.3 a server looks at the client's certificate when the client holds the handshake to be
 * over: what it says then, if anything, comes as the end of the connection.
 */
function cutOff(error: unknown): unknown {
  if (!(error instanceof OperatingError) || error.code !== 'disconnected') return error;
  const reason = `TLS: ${error.message}; perhaps it does not take the certificate of this side`;
  return Object.assign(new Error(reason, { cause: error }), { code: TLS_FAILED });
}

function brokerFault(cause: unknown): string {
  if (cause instanceof OperatingError && cause.code === 'request-timeout') {
    return 'something that does not answer as one';
  }
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  // An AggregateError of Node's connect carries a code but no message.
  return typeof code === 'string' && /^E[A-Z]+$/.test(code) ? code : reasonOf(cause);
}
