/**
 * TCP, as `Transport`.
 *
 * Reading: Node's stream machinery allocates 64 KB a read. Instead, each socket is given a buffer
 * to read into: one that all sockets of the thread share (its bytes are handed on synchronously),
 * or the buffer that `readTarget` names, so that a long frame arrives where it stays, with one
 * copy out of the kernel and none after it. Node offers this (`onread`) to sockets that connect;
 * for accepted ones the handle is moved into such a socket.
 *
 * Writing: chunks of one `write`, and of all writes made while data is being handed on, leave in
 * one gathering system call.
 *
 * TLS: what was decrypted lies in memory of its own already, so those sockets are read as Node does it.
 * The handshake of an accepted connection is part of reading from it: one that is held back has none,
 * and costs nothing, before it is let go on.
 */
import net from 'node:net';
import tls from 'node:tls';
import { bounds, outOfDescriptors } from './descriptors.ts';
import { codeOf } from './errors.ts';
import {
  type Listening,
  type Secured,
  type Stream,
  TLS_FAILED,
  type TlsAcceptor,
  type TlsConnector,
  type Transport,
} from './transport.ts';

/** Size of the buffer that all sockets of a thread read into. */
export const SHARED_READ_BYTES = 128 * 1024;

/**
 * Size of what a socket's first bytes are read into, which nobody has been asked about yet: of those
 * who begin with something long, little is read until it is known where that should go.
 */
const FIRST_READ_BYTES = 16 * 1024;

/** What may wait for a peer before `write` returns false. */
const WRITE_HIGH_WATER_BYTES = 1024 * 1024;

/** Silence after which the system probes whether the peer still exists. */
const KEEPALIVE_DELAY_MS = 60_000;

/** Connections that the system may hold for us before we accept them. */
const LISTEN_BACKLOG = 511;

const sharedBuffer = Buffer.allocUnsafeSlow(SHARED_READ_BYTES);
const firstBuffer = sharedBuffer.subarray(0, FIRST_READ_BYTES);

/** The parts of a socket that Node has but does not document, used where it was accepted. */
interface SocketInside {
  _handle: { readonly fd?: number } | null;
  _server: unknown;
  server: unknown;
}

const ignore = (): void => {};

class NodeStream implements Stream {
  readonly remote: string;
  readonly local: { readonly host: string; readonly port: number };
  onData: (bytes: Buffer) => void = ignore;
  onDrain: () => void = ignore;
  onClose: (error: Error | null) => void = ignore;
  readTarget: (() => Buffer | null) | null = null;
  secured: Secured | null = null;
  #socket!: net.Socket;
  #error: Error | null = null;
  #corked = false;
  /** Makes the socket to read from of the one that was accepted; null: it is there. */
  #begin: ((stream: NodeStream) => net.Socket) | null;
  #isHeldBack = false;
  #isFirst = true;

  constructor(
    make: (stream: NodeStream) => net.Socket,
    begin: ((stream: NodeStream) => net.Socket) | null = null,
  ) {
    this.#use(make(this));
    this.#begin = begin;
    const socket = this.#socket;
    this.remote = `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`;
    this.local = { host: socket.localAddress ?? '', port: socket.localPort ?? 0 };
  }

  #use(socket: net.Socket): void {
    this.#socket = socket;
    socket.on('drain', () => this.onDrain());
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('end', () => socket.end());
    socket.on('close', () => {
      // Another one was made of it, and ends first.
      if (socket !== this.#socket) return;
      const { onClose } = this;
      this.onData = ignore;
      this.onDrain = ignore;
      this.onClose = ignore;
      onClose(this.#error);
    });
  }

  /** It has an owner, who may hold it back. */
  accepted(): void {
    if (!this.#isHeldBack) this.#read();
  }
  #read(): void {
    const begin = this.#begin;
    this.#begin = null;
    if (begin !== null && !this.#socket.destroyed) this.#use(begin(this));
  }

  /** The buffer for the next read. */
  nextBuffer(): Buffer {
    if (this.#isFirst) {
      this.#isFirst = false;
      return firstBuffer;
    }
    return this.readTarget?.() ?? sharedBuffer;
  }

  /** Answers given while `onData` runs leave together. */
  received(bytes: Buffer): void {
    this.#corked = true;
    this.#socket.cork();
    try {
      this.onData(bytes);
    } finally {
      this.#corked = false;
      this.#socket.uncork();
    }
  }

  /** Why the connection ends, where the socket does not say it well. */
  failed(error: Error): void {
    this.#error = error;
    this.#socket.destroy();
  }

  write(chunks: readonly Uint8Array[], sent?: (error: Error | null) => void): boolean {
    const socket = this.#socket;
    const last = chunks.length - 1;
    const gather = last > 0 && !this.#corked;
    if (gather) socket.cork();
    let room = socket.writableLength < WRITE_HIGH_WATER_BYTES;
    for (let i = 0; i <= last; i++) {
      const chunk = chunks[i] as Uint8Array;
      room =
        i === last && sent !== undefined
          ? socket.write(chunk, (error) => sent(error ?? null))
          : socket.write(chunk);
    }
    if (gather) socket.uncork();
    return room;
  }

  pause(): void {
    if (this.#begin !== null) this.#isHeldBack = true;
    else this.#socket.pause();
  }
  resume(): void {
    if (this.#isHeldBack) {
      this.#isHeldBack = false;
      this.#read();
    } else this.#socket.resume();
  }
  end(): void {
    this.#socket.end();
  }
  destroy(): void {
    this.#socket.destroy();
  }
}

const socketOptions = {
  allowHalfOpen: true, // What was asked is still answered after the peer has finished sending.
  highWaterMark: WRITE_HIGH_WATER_BYTES,
};

const onreadOf = (stream: NodeStream): net.OnReadOpts => ({
  buffer: () => stream.nextBuffer(),
  callback: (size, buffer) => {
    stream.received((buffer as Buffer).subarray(0, size));
    return true;
  },
});

/** Moves an accepted connection, which must not have been read from, into a socket that reads our way. */
function adopt(accepted: net.Socket): NodeStream {
  const inside = accepted as unknown as SocketInside;
  const handle = inside._handle;
  if (handle === null || handle === undefined) {
    accepted.destroy();
    throw new Error('the connection closed before it was accepted');
  }
  const { _server: server } = inside;
  return new NodeStream((stream) => {
    inside._handle = null;
    inside._server = null;
    inside.server = null;
    const options = { ...socketOptions, handle, onread: onreadOf(stream) };
    const socket = new net.Socket(options as unknown as net.SocketConstructorOpts);
    // The server counts its open connections through this.
    (socket as unknown as SocketInside)._server = server;
    (socket as unknown as SocketInside).server = server;
    return socket;
  });
}

/** A part of a TLS socket that Node has but documents only for sockets of its own TLS server. */
interface TlsInside {
  _handle: { verifyError(): (Error & { code?: string }) | null | undefined } | null;
}

const tlsFailure = (reason: string, cause?: Error): Error =>
  Object.assign(new Error(`TLS: ${reason}`, { cause }), { code: TLS_FAILED });

/** Whether the two sides could not agree, and not the network: only that has codes unlike ECONNRESET. */
const isOfTls = (error: Error): boolean => {
  const code = codeOf(error);
  return code !== '' && !/^E[A-Z]+$/.test(code);
};

/** The handshake's outcome, or what was wrong with the peer's certificate. */
function agreed(socket: tls.TLSSocket): Secured | Error {
  const certificate = socket.getPeerX509Certificate() ?? null;
  if (certificate !== null) {
    const fault = (socket as unknown as TlsInside)._handle?.verifyError();
    if (fault !== null && fault !== undefined) {
      return tlsFailure(`the peer's certificate is not trusted: ${fault.code ?? fault.message}`);
    }
  }
  return {
    protocol: socket.getProtocol() ?? '',
    cipher: socket.getCipher().name,
    certificate: certificate?.raw ?? null,
  };
}

/** Hands decrypted bytes on as `onread` does the others. */
function readsDecrypted(socket: tls.TLSSocket, stream: NodeStream): void {
  socket.on('data', (bytes: Buffer) => stream.received(bytes));
}

/** A connection that was accepted, and whose handshake begins when it is first to be read from. */
const adoptTls = (accepted: net.Socket, acceptor: TlsAcceptor): NodeStream =>
  new NodeStream(
    () => accepted,
    (stream) => secured(accepted, acceptor, stream),
  );

function secured(accepted: net.Socket, acceptor: TlsAcceptor, stream: NodeStream): net.Socket {
  const clientAuth = acceptor.clientAuth();
  const socket = new tls.TLSSocket(accepted, {
    isServer: true,
    secureContext: acceptor.context(),
    requestCert: clientAuth !== 'none',
    // Without a certificate OpenSSL refuses the handshake; a bad one is refused below.
    rejectUnauthorized: clientAuth === 'required',
  });
  let isSecure = false;
  socket.on('secure', () => {
    if (isSecure) return;
    isSecure = true;
    const outcome = agreed(socket);
    if (outcome instanceof Error) return stream.failed(outcome);
    stream.secured = outcome;
    readsDecrypted(socket, stream);
  });
  socket.on('error', (error) => {
    if (!isSecure) Object.assign(error, { code: TLS_FAILED });
  });
  socket.once('close', () => accepted.destroy());
  return socket;
}

function listen(
  host: string,
  port: number,
  accept: (stream: Stream) => void,
  acceptor: TlsAcceptor | null = null,
): Promise<Listening> {
  const server = net.createServer({
    ...socketOptions,
    pauseOnConnect: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEPALIVE_DELAY_MS,
  });
  let listening: Listening | null = null;
  const take = (accepted: net.Socket): void => {
    const { fd = -1 } = (accepted as unknown as SocketInside)._handle ?? {};
    if (fd >= bounds.connections) {
      accepted.destroy();
      return listening?.onError?.(outOfDescriptors());
    }
    let stream: NodeStream;
    try {
      stream = acceptor === null ? adopt(accepted) : adoptTls(accepted, acceptor);
    } catch {
      return; // Closed by its peer in between: there is nobody to tell.
    }
    accept(stream);
    stream.accepted();
  };
  server.on('connection', take);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, backlog: LISTEN_BACKLOG }, () => {
      server.off('error', reject);
      const address = server.address() as net.AddressInfo;
      const bound: Listening = {
        host: address.address,
        port: address.port,
        close: () => {
          // Does not wait for open connections: they have owners of their own.
          server.close();
          return Promise.resolve();
        },
      };
      listening = bound;
      server.on('error', (error) => bound.onError?.(error));
      resolve(bound);
    });
  });
}

function connectTls(
  host: string,
  port: number,
  timeoutMs: number,
  connector: TlsConnector,
): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const options: tls.ConnectionOptions = {
      host,
      port,
      secureContext: connector.context(),
      // Names stand in certificates; an address is no server name (RFC 6066).
      ...(net.isIP(host) === 0 ? { servername: host } : {}),
      ...(connector.verifiesHost ? {} : { checkServerIdentity: () => undefined }),
      ...socketOptions,
    };
    const socket = tls.connect(options);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEPALIVE_DELAY_MS);
    const timer = setTimeout(() => {
      socket.destroy(new Error(`no TLS connection to ${host}:${port} within ${timeoutMs} ms`));
    }, timeoutMs);
    const failed = (error: Error): void => {
      clearTimeout(timer);
      reject(isOfTls(error) ? tlsFailure(error.message, error) : error);
    };
    const ended = (): void => failed(new Error(`TLS: ${host}:${port} closed during the handshake`));
    socket.once('error', failed);
    socket.once('close', ended);
    socket.once('secureConnect', () => {
      clearTimeout(timer);
      socket.off('error', failed);
      socket.off('close', ended);
      const stream = new NodeStream(() => socket);
      const outcome = agreed(socket);
      if (!(outcome instanceof Error)) stream.secured = outcome;
      readsDecrypted(socket, stream);
      resolve(stream);
    });
  });
}

function connect(
  host: string,
  port: number,
  timeoutMs: number,
  connector: TlsConnector | null = null,
): Promise<Stream> {
  if (connector !== null) return connectTls(host, port, timeoutMs, connector);
  return new Promise((resolve, reject) => {
    // The stream reads its addresses from a connected socket, so it is made once it is one.
    let stream: NodeStream | null = null;
    const options = {
      ...socketOptions,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_DELAY_MS,
      onread: {
        buffer: () => stream?.nextBuffer() ?? sharedBuffer,
        callback: (size: number, buffer: Uint8Array) => {
          stream?.received((buffer as Buffer).subarray(0, size));
          return true;
        },
      },
    };
    const socket = new net.Socket(options as unknown as net.SocketConstructorOpts);
    const timer = setTimeout(() => {
      socket.destroy(new Error(`no connection to ${host}:${port} within ${timeoutMs} ms`));
    }, timeoutMs);
    const failed = (error: Error): void => {
      clearTimeout(timer);
      reject(error);
    };
    socket.once('error', failed);
    socket.connect({ host, port }, () => {
      clearTimeout(timer);
      socket.off('error', failed);
      stream = new NodeStream(() => socket);
      resolve(stream);
    });
  });
}

/** TCP of this machine. `host` may be a name; IPv6 addresses are taken without brackets. */
export const nodeTransport: Transport = { listen, connect };
