import http from 'node:http';
import https from 'node:https';

/** One request to `/ingest`, on a connection that is kept. */
export interface Answer {
  readonly status: number;
  /** Of `Retry-After`; 0 when absent. */
  readonly retryAfterMs: number;
  /** Records that the server refused, of a body in our own form. */
  readonly rejected: number;
}

/** Longest answer that is looked at. */
const ANSWER_BYTES_MAX = 65_536;

export class Poster {
  readonly #url: URL;
  readonly #agent: http.Agent;
  readonly #request: typeof http.request;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #timeoutMs: number;

  constructor(url: URL, token: string | undefined, timeoutMs: number) {
    const isTls = url.protocol === 'https:';
    this.#url = url;
    this.#request = isTls ? https.request : http.request;
    const options = { keepAlive: true, maxSockets: 1 };
    this.#agent = isTls ? new https.Agent(options) : new http.Agent(options);
    this.#headers = {
      'content-type': 'application/x-ndjson',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    };
    this.#timeoutMs = timeoutMs;
  }

  /** Rejects when no answer came. */
  post(body: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const bytes = Buffer.from(body);
      const request = this.#request(this.#url, {
        method: 'POST',
        agent: this.#agent,
        timeout: this.#timeoutMs,
        headers: { ...this.#headers, 'content-length': bytes.length },
      });
      request.on('timeout', () =>
        request.destroy(new Error(`no answer within ${this.#timeoutMs} ms`)),
      );
      request.on('error', reject);
      request.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          if (text.length < ANSWER_BYTES_MAX) text += chunk;
        });
        response.on('error', reject);
        response.on('end', () => resolve(answerOf(response, text)));
      });
      request.end(bytes);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

function answerOf(response: http.IncomingMessage, text: string): Answer {
  const seconds = Number(response.headers['retry-after'] ?? 0);
  let rejected = 0;
  try {
    const body = JSON.parse(text) as { rejected?: unknown } | null;
    if (typeof body?.rejected === 'number') rejected = body.rejected;
  } catch {
    // Not our own form: the status says it all.
  }
  return {
    status: response.statusCode ?? 0,
    retryAfterMs: seconds > 0 ? seconds * 1000 : 0,
    rejected,
  };
}
