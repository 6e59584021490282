import type { Listening, Stream, Transport } from '../../../src/base/transport.ts';

const ignore = (): void => {};

/** One end of a pair. What is written arrives one turn later; a stalled end holds it. */
export class MemoryStream implements Stream {
  readonly remote: string;
  readonly local: { readonly host: string; readonly port: number };
  readonly secured = null;
  peer: MemoryStream | null = null;
  onData: (bytes: Buffer) => void = ignore;
  onDrain: () => void = ignore;
  onClose: (error: Error | null) => void = ignore;
  readTarget: (() => Buffer | null) | null = null;
  /** Writes that the "system" has not taken over. */
  readonly held: { chunks: readonly Uint8Array[]; sent: (error: Error | null) => void }[] = [];
  stalled = false;
  closed = false;

  constructor(remote: string, local: { host: string; port: number }) {
    this.remote = remote;
    this.local = local;
  }

  write(chunks: readonly Uint8Array[], sent: (error: Error | null) => void = ignore): boolean {
    if (this.closed) {
      queueMicrotask(() => sent(new Error('write after close')));
      return false;
    }
    this.held.push({ chunks, sent });
    if (!this.stalled) queueMicrotask(() => this.#release());
    return this.held.length < 64;
  }

  /** Lets held writes go. */
  unstall(): void {
    this.stalled = false;
    this.#release();
    this.onDrain();
  }

  #release(): void {
    if (this.stalled) return;
    for (const { chunks, sent } of this.held.splice(0)) {
      if (this.closed) {
        sent(new Error('closed'));
        continue;
      }
      sent(null);
      for (const chunk of chunks) this.peer?.onData(Buffer.from(chunk));
    }
  }

  pause(): void {}
  resume(): void {}
  end(): void {
    queueMicrotask(() => this.destroy());
  }
  destroy(): void {
    this.close(null);
  }
  close(error: Error | null): void {
    if (this.closed) return;
    this.closed = true;
    const held = this.held.splice(0);
    queueMicrotask(() => {
      for (const { sent } of held) sent(error ?? new Error('closed'));
      this.onClose(error);
    });
    this.peer?.close(error);
  }
}

/** Connections within the process, which tests may break. */
export class MemoryTransport implements Transport {
  readonly #listeners = new Map<number, (stream: Stream) => void>();
  /** Client ends of everything that was connected. */
  readonly clients: MemoryStream[] = [];

  listen(host: string, port: number, accept: (stream: Stream) => void): Promise<Listening> {
    this.#listeners.set(port, accept);
    return Promise.resolve({
      host,
      port,
      close: () => {
        this.#listeners.delete(port);
        return Promise.resolve();
      },
    });
  }

  connect(host: string, port: number): Promise<Stream> {
    const accept = this.#listeners.get(port);
    if (accept === undefined) {
      return Promise.reject(
        Object.assign(new Error(`connect ECONNREFUSED ${host}:${port}`), { code: 'ECONNREFUSED' }),
      );
    }
    const near = new MemoryStream(`${host}:${port}`, { host: 'client', port: 1 });
    const far = new MemoryStream('client:1', { host, port });
    near.peer = far;
    far.peer = near;
    this.clients.push(near);
    accept(far);
    return Promise.resolve(near);
  }

  /** Client ends that are open. */
  get open(): MemoryStream[] {
    return this.clients.filter((stream) => !stream.closed);
  }
}
