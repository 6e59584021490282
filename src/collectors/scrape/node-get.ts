import http from 'node:http';
import https from 'node:https';
import type { Clock } from '../../base/clock.ts';
import { OperatingError } from '../../base/errors.ts';
import type { Get } from './http-get.ts';

/**
 * Node's HTTP client as `Get`: all of HTTP/1.1, and TLS. Loaded for the targets that need it: it is
 * four megabytes of memory. Connections are kept between scrapes.
 */
export function nodeGet(clock: Clock): Get & { close(): void } {
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
