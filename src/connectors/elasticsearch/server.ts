/**
 * HTTP to an Elasticsearch or OpenSearch cluster, through Elastic's own client: its pool of nodes,
 * credentials and TLS options, and nothing of its retries, bulk helper or product check (which
 * refuses an answer after the request was carried out).
 *
 * The client is loaded when the first server is made, so an appliance without this connector does
 * not pay for it.
 */
import type { Client } from '@elastic/elasticsearch';
import type { Clock } from '../../base/clock.ts';
import { OperatingError, reasonOf } from '../../base/errors.ts';

export type Flavour = 'elasticsearch' | 'opensearch';

export interface ServerOptions {
  readonly urls: readonly string[];
  readonly username: string | null;
  readonly password: string | null;
  readonly apiKey: string | null;
  /** PEM of the authority that signed the server's certificate; null: the system's authorities. */
  readonly ca: string | null;
  readonly connectionsMax: number;
  /** Time a request may take until its answer is there as a whole. */
  readonly timeoutMs: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

export interface ServerRequest {
  readonly method: 'GET' | 'PUT' | 'POST';
  /** Begins with a slash. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as it is; must not change until the promise is settled. */
  readonly body?: Buffer;
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly signal: AbortSignal;
}

/** The answer's JSON; null when it is none (a proxy's page, say): what is missing tells then. */
export function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return null;
  }
}

/** A status that tells of the server's state, and nothing of what was asked. */
export const isPassing = (status: number): boolean =>
  status >= 500 || status === 429 || status === 408;

/** An answer to 100,000 actions that all fail is some 40 MiB; more is no answer to us. */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;

export class SearchServer {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #timeoutMs: number;

  private constructor(client: Client, clock: Clock, timeoutMs: number) {
    this.#client = client;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** Sends nothing. Throws when an option is not one the client takes (a malformed URL). */
  static async create(options: ServerOptions, clock: Clock): Promise<SearchServer> {
    const { Client } = await import('@elastic/elasticsearch');
    const { Transport } = await import('@elastic/transport');
    class AnyProduct extends Transport {
      constructor(given: ConstructorParameters<typeof Transport>[0]) {
        const { productCheck: _, ...rest } = given;
        super(rest);
      }
    }
    const auth =
      options.apiKey !== null
        ? { apiKey: options.apiKey }
        : options.username !== null
          ? { username: options.username, password: options.password ?? '' }
          : null;
    const client = new Client({
      nodes: [...options.urls],
      maxRetries: 0,
      requestTimeout: options.timeoutMs,
      // The connections of the pool are made when they are needed.
      agent: { connections: options.connectionsMax },
      Transport: AnyProduct as never,
      ...(auth === null ? {} : { auth }),
      ...(options.ca === null ? {} : { tls: { ca: options.ca } }),
    });
    return new SearchServer(client, clock, options.timeoutMs);
  }

  /**
   * Resolves to the answer, whatever its status. Rejects with OperatingError `connection`,
   * `timeout` (what was asked may have been carried out), or `aborted`.
   */
  async request(request: ServerRequest): Promise<Answer> {
    const late = new AbortController();
    const timer = this.#clock.after(this.#timeoutMs, () => late.abort());
    try {
      const answer = await this.#client.transport.request<AsyncIterable<Buffer>>(
        {
          method: request.method,
          path: request.path,
          ...(request.query === undefined ? {} : { querystring: { ...request.query } }),
          ...(request.body === undefined ? {} : { bulkBody: request.body }),
        },
        {
          asStream: true,
          meta: true,
          maxRetries: 0,
          signal: AbortSignal.any([request.signal, late.signal]),
          headers: {
            // Taken by every version of both servers, unlike the client's own media types.
            accept: 'application/json',
            'content-type': request.contentType ?? 'application/json',
            ...(request.contentEncoding === undefined
              ? {}
              : { 'content-encoding': request.contentEncoding }),
          },
        },
      );
      const body = await readAll(answer.body);
      return { status: answer.statusCode ?? 0, headers: answer.headers ?? {}, body };
    } catch (error) {
      if (request.signal.aborted) throw new OperatingError('aborted', 'given up', { cause: error });
      if (late.signal.aborted) {
        const message = `no answer within ${this.#timeoutMs} ms`;
        throw new OperatingError('timeout', message, { cause: error });
      }
      throw new OperatingError('connection', reasonOf(error), { cause: error });
    } finally {
      timer.cancel();
    }
  }

  async close(): Promise<void> {
    await this.#client.close();
  }
}

async function readAll(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > ANSWER_BYTES_MAX) {
      throw new OperatingError('connection', `answer larger than ${ANSWER_BYTES_MAX} bytes`);
    }
    chunks.push(chunk);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}
