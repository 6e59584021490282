/** A transport that counts the bytes of the streams that it opens. */
import type { Stream, Transport } from './transport.ts';

export interface Traffic {
  receivedBytes: number;
  sentBytes: number;
}

/** Streams that are accepted are not counted: nobody asks. */
export const countedTransport = (transport: Transport, traffic: Traffic): Transport => ({
  listen: (host, port, accept, tls) => transport.listen(host, port, accept, tls),
  connect: async (host, port, timeoutMs, tls) =>
    new CountedStream(await transport.connect(host, port, timeoutMs, tls), traffic),
});

class CountedStream implements Stream {
  readonly #stream: Stream;
  readonly #traffic: Traffic;

  constructor(stream: Stream, traffic: Traffic) {
    this.#stream = stream;
    this.#traffic = traffic;
  }

  get remote(): string {
    return this.#stream.remote;
  }
  get local(): Stream['local'] {
    return this.#stream.local;
  }
  get secured(): Stream['secured'] {
    return this.#stream.secured;
  }
  write(chunks: readonly Uint8Array[], sent?: (error: Error | null) => void): boolean {
    for (const chunk of chunks) this.#traffic.sentBytes += chunk.length;
    return this.#stream.write(chunks, sent);
  }
  pause(): void {
    this.#stream.pause();
  }
  resume(): void {
    this.#stream.resume();
  }
  end(): void {
    this.#stream.end();
  }
  destroy(): void {
    this.#stream.destroy();
  }
  get onData(): Stream['onData'] {
    return this.#stream.onData;
  }
  set onData(listener: Stream['onData']) {
    this.#stream.onData = (bytes) => {
      this.#traffic.receivedBytes += bytes.length;
      listener(bytes);
    };
  }
  get readTarget(): Stream['readTarget'] {
    return this.#stream.readTarget;
  }
  set readTarget(target: Stream['readTarget']) {
    this.#stream.readTarget = target;
  }
  get onDrain(): Stream['onDrain'] {
    return this.#stream.onDrain;
  }
  set onDrain(listener: Stream['onDrain']) {
    this.#stream.onDrain = listener;
  }
  get onClose(): Stream['onClose'] {
    return this.#stream.onClose;
  }
  set onClose(listener: Stream['onClose']) {
    this.#stream.onClose = listener;
  }
}
