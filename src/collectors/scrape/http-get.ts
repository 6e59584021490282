import type { Clock } from '../../base/clock.ts';
import { OperatingError } from '../../base/errors.ts';
import type { Stream, Transport } from '../../base/transport.ts';
import type { nodeGet } from './node-get.ts';

/** Asks a target for its metrics; injected, so that tests need no server. */
export type Get = (url: string, limits: Limits) => Promise<Buffer>;

interface Limits {
  readonly timeoutMs: number;
  readonly bytesMax: number;
}

/** What may stand before the body. */
const HEAD_BYTES_MAX = 16_384;

/** Elsewhere; or not in HTTP/1.0, as Envoy says it unless told otherwise. */
const NEEDS_MORE = /^(?:3\d\d|426|505)$/;
const HEAD_END = Buffer.from('\r\n\r\n');

/**
 * Rejects with the system's code, or OperatingError `target-status`, `target-timeout`,
 * `target-too-large`, `target-closed`.
 *
 * A plain HTTP target is asked in HTTP/1.0, whose answer is a head and then the body until the
 * connection ends (RFC 1945, 7.2.2), or as many bytes as it has announced. What that can't do (TLS,
 * passwords, redirects, targets that speak no HTTP/1.0, answers in chunks or compressed all the same)
 * goes through Node's client, which is loaded when the first target needs it.
 */
export function httpGet(clock: Clock, transport: Transport): Get & { close(): void } {
  const demanding = new Set<string>();
  let loaded: Promise<ReturnType<typeof nodeGet>> | null = null;
  const full: Get = async (url, limits) => {
    loaded ??= import('./node-get.ts').then((module) => module.nodeGet(clock));
    return (await loaded)(url, limits);
  };
  const get: Get = async (url, limits) => {
    if (demanding.has(url) || needsMore(url)) return full(url, limits);
    const body = await new Answer(clock, limits).of(url, transport);
    if (body !== null) return body;
    demanding.add(url);
    return full(url, limits);
  };
  return Object.assign(get, { close: () => void loaded?.then((client) => client.close()) });
}

function needsMore(url: string): boolean {
  const { protocol, username, password } = new URL(url);
  return protocol !== 'http:' || username !== '' || password !== '';
}

/** One request and what comes back, until the connection ends. */
class Answer {
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #chunks: Buffer[] = [];
  #size = 0;
  /** Bytes of head and body together; Infinity while they are not known. */
  #wholeSize = Number.POSITIVE_INFINITY;
  #hasHead = false;
  #isSettled = false;
  #stream: Stream | null = null;

  constructor(clock: Clock, limits: Limits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** The body; null when it came in a form that is not read here. */
  of(url: string, transport: Transport): Promise<Buffer | null> {
    const { timeoutMs } = this.#limits;
    return new Promise((resolve, reject) => {
      const settle = (action: () => void): void => {
        deadline.cancel();
        this.#isSettled = true;
        this.#stream?.destroy();
        action();
      };
      const deadline = this.#clock.after(timeoutMs, () =>
        settle(() =>
          reject(new OperatingError('target-timeout', `no answer within ${timeoutMs} ms`)),
        ),
      );
      this.#ask(new URL(url), transport)
        .then(
          () => settle(() => resolve(this.#body())),
          (error: unknown) => settle(() => reject(error)),
        )
        .catch(reject);
    });
  }

  async #ask({ hostname, port, host, pathname, search }: URL, transport: Transport): Promise<void> {
    const name = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
    const stream = await transport.connect(name, Number(port || 80), this.#limits.timeoutMs);
    this.#stream = stream;
    if (this.#isSettled) return stream.destroy();
    const ended = new Promise<void>((resolve, reject) => {
      stream.onData = (bytes) => {
        this.#size += bytes.length;
        if (this.#size <= this.#limits.bytesMax + HEAD_BYTES_MAX) {
          this.#chunks.push(Buffer.from(bytes));
        } else reject(this.#tooLarge());
        // Behind as many bytes there is none: looking on would cost their square.
        const isEarly = this.#size - bytes.length <= HEAD_BYTES_MAX;
        if (!this.#hasHead && isEarly) this.#findHead();
        if (this.#size >= this.#wholeSize) resolve();
      };
      stream.onClose = (error) => (error === null ? resolve() : reject(error));
    });
    const head =
      `GET ${pathname}${search} HTTP/1.0\r\nHost: ${host}\r\n` +
      'Accept: text/plain;version=0.0.4\r\nConnection: close\r\n\r\n';
    stream.write([Buffer.from(head, 'latin1')]);
    await ended;
  }

  #findHead(): void {
    const all = Buffer.concat(this.#chunks, this.#size);
    const end = all.indexOf(HEAD_END);
    if (end < 0) return;
    this.#hasHead = true;
    const length = lengthIn(all.toString('latin1', 0, end));
    if (length !== null) this.#wholeSize = end + HEAD_END.length + length;
  }

  #body(): Buffer | null {
    const all = Buffer.concat(this.#chunks, this.#size);
    const end = all.indexOf(HEAD_END);
    const head = all.toString('latin1', 0, Math.max(end, 0));
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1];
    if (status === undefined) {
      throw new OperatingError('target-closed', 'the connection ended before the answer');
    }
    if (NEEDS_MORE.test(status)) return null;
    if (status !== '200') throw new OperatingError('target-status', `answered ${status}`);
    if (/^(?:transfer|content)-encoding:/im.test(head)) return null;
    const body = all.subarray(end + HEAD_END.length);
    if (body.length > this.#limits.bytesMax) throw this.#tooLarge();
    if (body.length < (lengthIn(head) ?? 0)) {
      throw new OperatingError('target-closed', 'the connection ended within the answer');
    }
    return body;
  }

  #tooLarge(): OperatingError {
    return new OperatingError('target-too-large', `more than ${this.#limits.bytesMax} bytes`);
  }
}

/** What the head says of the body's length; null when it does not. */
function lengthIn(head: string): number | null {
  const length = /^content-length:[ \t]*(\d+)/im.exec(head)?.[1];
  return length === undefined ? null : Number(length);
}
