import http from 'node:http';
import https from 'node:https';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import type { Clock } from '../../base/clock.ts';
import { codeOf, OperatingError } from '../../base/errors.ts';
import type { Get } from './http-get.ts';

const gunzip = promisify(zlib.gunzip);

/** Redirects of one scrape that are followed. */
const REDIRECTS_MAX = 10;

/**
 * Node's HTTP client as `Get`: all of HTTP/1.1, TLS and redirects. Loaded for the targets that need
 * it: it is four megabytes of memory. Connections are kept between scrapes.
 */
export function nodeGet(clock: Clock): Get & { close(): void } {
  const options = { keepAlive: true, maxSockets: 1 };
  const [plain, tls] = [new http.Agent(options), new https.Agent(options)];
  const get: Get = async (first, { timeoutMs, bytesMax }) => {
    const late = new AbortController();
    const deadline = clock.after(timeoutMs, () =>
      late.abort(new OperatingError('target-timeout', `no answer within ${timeoutMs} ms`)),
    );
    try {
      let url = first;
      for (let redirects = 0; ; redirects++) {
        const agent = url.startsWith('https:') ? tls : plain;
        const answer = await ask(url, agent, bytesMax, late.signal);
        if (answer.status === 200) return await unpacked(answer, bytesMax);
        const next = elsewhere(answer, url);
        if (next === null || redirects === REDIRECTS_MAX) {
          throw new OperatingError('target-status', `answered ${answer.status}`);
        }
        url = next;
      }
    } finally {
      deadline.cancel();
    }
  };
  return Object.assign(get, {
    close: () => {
      plain.destroy();
      tls.destroy();
    },
  });
}

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

const tooLarge = (bytesMax: number): OperatingError =>
  new OperatingError('target-too-large', `more than ${bytesMax} bytes`);

/** Rejects with the signal's reason when it is aborted. */
function ask(
  url: string,
  agent: http.Agent,
  bytesMax: number,
  signal: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { accept: 'text/plain;version=0.0.4' };
    const request = (agent instanceof https.Agent ? https : http).get(url, { agent, headers });
    const give = (): void => {
      reject(signal.reason as Error);
      request.destroy();
    };
    if (signal.aborted) return give();
    signal.addEventListener('abort', give, { once: true });
    request.on('close', () => signal.removeEventListener('abort', give));
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > bytesMax) {
          // A whole answer may be here already: then nothing else would say it.
          reject(tooLarge(bytesMax));
          request.destroy();
        } else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
        }),
      );
    });
  });
}

/** Where a redirect leads; null when it is none, or not to HTTP. */
function elsewhere({ status, headers }: Answer, url: string): string | null {
  const { location } = headers;
  if (![301, 302, 303, 307, 308].includes(status) || location === undefined) return null;
  if (!URL.canParse(location, url)) return null;
  const next = new URL(location, url);
  return /^https?:$/.test(next.protocol) ? next.href : null;
}

/** Some compress though nobody asked for it: files that are there in this form only. */
async function unpacked({ headers, body }: Answer, bytesMax: number): Promise<Buffer> {
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity') return body;
  if (encoding !== 'gzip') throw new OperatingError('target-encoding', `answered in ${encoding}`);
  try {
    return await gunzip(body, { maxOutputLength: bytesMax });
  } catch (error) {
    throw codeOf(error) === 'ERR_BUFFER_TOO_LARGE' ? tooLarge(bytesMax) : error;
  }
}
