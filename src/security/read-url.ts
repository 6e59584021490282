/** What stands at a URL of the configuration: `file:`, `http:` or `https:`. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { OperatingError, reasonOf } from '../base/errors.ts';

const isRemote = (url: URL): boolean => url.protocol === 'http:' || url.protocol === 'https:';

const tooLong = (maxBytes: number): OperatingError =>
  new OperatingError('answer-too-large', `more than ${maxBytes} bytes`);

/** Rejects with OperatingError; `init` is for requests over HTTP. */
export async function readUrl(
  text: string,
  maxBytes: number,
  timeoutMs: number,
  init: {
    readonly method?: string;
    readonly headers?: Record<string, string>;
    readonly body?: string;
  } = {},
): Promise<Buffer> {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'file:' && !isRemote(url))) {
    throw new OperatingError('bad-url', `expected a file:, http: or https: URL, saw '${text}'`);
  }
  try {
    if (!isRemote(url)) {
      const bytes = await readFile(fileURLToPath(url));
      if (bytes.length > maxBytes) throw tooLong(maxBytes);
      return bytes;
    }
    const signal = AbortSignal.timeout(timeoutMs);
    const answer = await fetch(url, { ...init, signal, redirect: 'error' });
    const bytes = await bounded(answer, maxBytes);
    if (!answer.ok) throw new OperatingError('bad-answer', `status ${answer.status}`);
    return bytes;
  } catch (error) {
    if (error instanceof OperatingError) throw error;
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw new OperatingError('no-answer', reasonOf(cause), { cause: error });
  }
}

async function bounded(answer: Response, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw tooLong(maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
