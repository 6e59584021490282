/** Sends requests that no client sends, and says what became of them. */
import { expect } from 'vitest';
import { ByteReader } from '../../src/base/bytes.ts';
import type { Api } from '../../src/protocol/apis.ts';
import { codec } from '../../src/protocol/codec.ts';
import { readResponseHeader } from '../../src/protocol/frame.ts';
import type { Message } from '../../src/protocol/schema.ts';
import type { Loose, WireClient } from '../unit/broker/fixture.ts';

const ANSWER_TIMEOUT_MS = 10_000;

export type Outcome = 'answered' | 'closed' | 'silent';

/** One connection after another: a request that closes it gets the next one a new one. */
export class Thrower {
  readonly #connect: () => Promise<WireClient>;
  #client: WireClient | null = null;

  constructor(connect: () => Promise<WireClient>) {
    this.#connect = connect;
  }

  /** Sends the request, and another one behind it, which tells whether the first gets an answer. */
  async send(
    api: Api,
    version: number,
    body: unknown,
    schema: Message<any>,
    change = (frame: Buffer): Buffer => frame,
  ): Promise<Outcome> {
    if (this.#client === null || this.#client.isClosed) {
      this.#client = await this.#connect();
    }
    const client = this.#client;
    const frame = change(client.encode(api.name, version, body as Loose, schema));
    const first = client.nextFrame();
    client.write(frame);
    const after = client.encode('ApiVersions', 0, {});
    const second = client.nextFrame();
    client.write(after);
    const answer = await this.#inTime(first, `${api.name} v${version}`);
    if (answer === null) return 'closed';
    if (answer.readInt32BE(0) === after.readInt32BE(8)) {
      await client.close();
      return 'silent';
    }
    const reader = new ByteReader(answer);
    readResponseHeader(reader, api, version);
    codec(api.response, version).read(reader);
    expect(reader.remaining, `bytes behind the answer of ${api.name} v${version}`).toBe(0);
    return (await this.#inTime(second, 'ApiVersions')) === null ? 'closed' : 'answered';
  }

  async #inTime(frame: Promise<Buffer | null>, what: string): Promise<Buffer | null> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const fail = (): void => reject(new Error(`${what} is not answered`));
      timer = setTimeout(fail, ANSWER_TIMEOUT_MS);
    });
    try {
      return await Promise.race([frame, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Cut off or with more behind it; the size in front of the frame is right. */
  sendChanged(
    api: Api,
    version: number,
    body: unknown,
    change: (body: Buffer) => Buffer,
  ): Promise<Outcome> {
    return this.send(api, version, body, api.request, (frame) => {
      const changed = change(frame.subarray(4));
      const size = Buffer.alloc(4);
      size.writeInt32BE(changed.length, 0);
      return Buffer.concat([size, changed]);
    });
  }

  async close(): Promise<void> {
    await this.#client?.close();
    this.#client = null;
  }
}
