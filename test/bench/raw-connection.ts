/**
 * A connection to a broker as the replayers need it: requests go out as bytes, answers come back in
 * the order of the requests, and nothing that costs more than the broker's own work lies between.
 */
import net from 'node:net';
import { ByteReader } from '../../src/base/bytes.ts';
import { apis } from '../../src/protocol/apis.ts';
import { codec } from '../../src/protocol/codec.ts';
import { FrameSplitter, readResponseHeader, writeRequest } from '../../src/protocol/frame.ts';
import type { Message } from '../../src/protocol/schema.ts';

/** Read buffer of a connection, used again and again: fresh memory would be what is measured. */
const READ_BYTES = 256 * 1024;
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

export interface Address {
  readonly host: string;
  readonly port: number;
}

export const CLIENT_ID = 'replayer';

/** A connection whose bytes are looked at as they come; `onData` owns them during its call only. */
export function openSocket(
  { host, port }: Address,
  onData: (bytes: Buffer) => void,
): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({
      host,
      port,
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafeSlow(READ_BYTES),
        callback(size, buffer) {
          onData((buffer as Buffer).subarray(0, size));
          return true;
        },
      },
    });
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** An answer without its size; valid during the call only. */
type OnAnswer = (answer: Buffer) => void;

export class RawConnection {
  readonly #socket: net.Socket;
  readonly #waiting: OnAnswer[];

  private constructor(socket: net.Socket, waiting: OnAnswer[]) {
    this.#socket = socket;
    this.#waiting = waiting;
  }

  /** `onLost`: the connection failed, or its broker has ended it. */
  static async open(address: Address, onLost: (error: Error) => void): Promise<RawConnection> {
    const waiting: OnAnswer[] = [];
    const splitter = new FrameSplitter(ANSWER_BYTES_MAX, (answer) => waiting.shift()!(answer), {
      reuse: true,
    });
    const socket = await openSocket(address, (bytes) => splitter.push(bytes));
    socket.on('error', onLost);
    socket.on('close', () => onLost(new Error('the broker has closed the connection')));
    return new RawConnection(socket, waiting);
  }

  /** A whole frame in pieces, which stay as they are until it is answered. */
  send(pieces: readonly Uint8Array[], onAnswer: OnAnswer): void {
    this.#waiting.push(onAnswer);
    this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece);
    this.#socket.uncork();
  }

  call<Q, R>(request: Message<Q>, response: Message<R>, version: number, body: Q): Promise<R> {
    const api = apis.get(request.api)!;
    const pieces = writeRequest(api, version, 1, CLIENT_ID, body);
    return new Promise((resolve) => {
      this.send(pieces, (answer) => {
        const reader = new ByteReader(Buffer.from(answer));
        readResponseHeader(reader, api, version);
        resolve(codec(response, version).read(reader));
      });
    });
  }

  close(): void {
    this.#socket.removeAllListeners('error').removeAllListeners('close');
    this.#socket.destroy();
  }
}
