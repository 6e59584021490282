import http from 'node:http';
import https from 'node:https';
import type { Clock } from '../../base/clock.ts';
import { OperatingError } from '../../base/errors.ts';

/** Asks a target for its metrics; injected, so that tests need no server. */
export type Get = (url: string, limits: { timeoutMs: number; bytesMax: number }) => Promise<Buffer>;

/**
 * Rejects with the system's code, or OperatingError `target-status`, `target-timeout`,
 * `target-too-large`. Connections are kept between scrapes.
 */
export function httpGet(clock: Clock): Get & { close(): void } {
  const options = { keepAlive: true, maxSockets: 1 };
  const [plain, tls] = [new http.Agent(options), new https.Agent(options)];
  const get: Get = (url, { timeoutMs, bytesMax }) =>
    new Promise((resolve, reject) => {
      const isTls = url.startsWith('https:');
      const headers = { accept: 'text/plain;version=0.0.4' };
      const request = (isTls ? https : http).get(url, { agent: isTls ? tls : plain, headers });
      const deadline = clock.after(timeoutMs, () =>
        request.destroy(new OperatingError('target-timeout', `no answer within ${timeoutMs} ms`)),
      );
      request.on('error', (error) => {
        deadline.cancel();
        reject(error);
      });
      request.on('response', (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > bytesMax) {
            // A whole answer may be here already: then nothing else would say it.
            deadline.cancel();
            reject(new OperatingError('target-too-large', `more than ${bytesMax} bytes`));
            request.destroy();
          } else chunks.push(chunk);
        });
        response.on('error', reject);
        response.on('end', () => {
          deadline.cancel();
          if (response.statusCode === 200) resolve(Buffer.concat(chunks));
          else reject(new OperatingError('target-status', `answered ${response.statusCode}`));
        });
      });
    });
  return Object.assign(get, {
    close: () => {
      plain.destroy();
      tls.destroy();
    },
  });
}
