/**
 * Byte streams between parties, injected: production uses `node-transport.ts` (TCP), a simulation
 * its own with delays, loss and partitions.
 */
import type { SecureContext } from 'node:tls';

export interface Stream {
  /** Peer's `host:port`, for logs. */
  readonly remote: string;
  /** The address and port of this end, as the peer reached it. */
  readonly local: { readonly host: string; readonly port: number };
  /** What TLS has agreed on; null without TLS, and until the first `onData`. */
  readonly secured: Secured | null;
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

/** The outcome of a TLS handshake. */
export interface Secured {
  /** `TLSv1.3`. */
  readonly protocol: string;
  readonly cipher: string;
  /** The peer's certificate (DER), which was signed by somebody we trust; null: it has shown none. */
  readonly certificate: Buffer | null;
}

/** What TLS needs on the accepting side; all of it is asked anew for each connection. */
export interface TlsAcceptor {
  /** Key, certificates and whom to trust. */
  context(): SecureContext;
  /** Whether clients are asked for a certificate, and whether one that has none is let in. */
  clientAuth(): 'none' | 'requested' | 'required';
}

/** What TLS needs on the connecting side; asked anew for each connection. */
export interface TlsConnector {
  context(): SecureContext;
  /** Whether the certificate must name the host that was connected to. */
  readonly verifiesHost: boolean;
}

/** The code of the error that `onClose` and `connect` give when TLS was not agreed on. */
export const TLS_FAILED = 'TLS_HANDSHAKE_FAILED';

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
  listen(
    host: string,
    port: number,
    accept: (stream: Stream) => void,
    tls?: TlsAcceptor | null,
  ): Promise<Listening>;
  /**
   * Rejects when no connection stands within `timeoutMs`, the TLS handshake included. A stream that
   * was accepted is handed over before its handshake, whose time its owner limits.
   */
  connect(
    host: string,
    port: number,
    timeoutMs: number,
    tls?: TlsConnector | null,
  ): Promise<Stream>;
}
