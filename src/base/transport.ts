/**
 * Byte streams between parties, injected: production uses `node-transport.ts` (TCP), a simulation
 * its own with delays, loss and partitions.
 */
export interface Stream {
  /** Peer's `host:port`, for logs. */
  readonly remote: string;
  /** The address and port of this end, as the peer reached it. */
  readonly local: { readonly host: string; readonly port: number };
  /**
   * Sends the chunks in order; the caller must not change them until `sent` is called (once, with
   * the error when the stream broke). Returns false when what waits for the peer is above the
   * stream's high-water mark: send no more until `onDrain`.
   */
  write(chunks: readonly Uint8Array[], sent?: (error: Error | null) => void): boolean;
  /** Stops and restarts the calls of `onData`. */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes. */
  end(): void;
  /** Closes at once. Idempotent. */
  destroy(): void;
  /** The bytes are valid only during the call: copy what must stay. */
  onData: (bytes: Buffer) => void;
  /**
   * Where the next bytes go, asked before each read; null: a buffer that all streams share. With a
   * buffer of its own, a receiver of long frames has them read straight into place. A transport
   * may ignore it; `onData` then gets bytes that lie elsewhere.
   */
  readTarget: (() => Buffer | null) | null;
  onDrain: () => void;
  /** Called exactly once, after which nothing else is called. */
  onClose: (error: Error | null) => void;
}

export interface Listening {
  readonly host: string;
  readonly port: number;
  /** A connection could not be accepted (EMFILE, …); the listener goes on. */
  onError?: (error: Error) => void;
  /** Stops accepting; streams that are open stay open. */
  close(): Promise<void>;
}

export interface Transport {
  /** Port 0 takes any free port. Rejects with the system's code (EADDRINUSE, …). */
  listen(host: string, port: number, accept: (stream: Stream) => void): Promise<Listening>;
  /** Rejects when no connection stands within `timeoutMs`. */
  connect(host: string, port: number, timeoutMs: number): Promise<Stream>;
}
