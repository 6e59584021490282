import type { Stream } from '../../src/base/transport.ts';
import type { SimNetwork } from './sim-network.ts';
import type { SimProcess } from './simulation.ts';

/** What the system takes for a peer that does not read; beyond it bytes stay with the writer. */
const KERNEL_BYTES = 512 * 1024;
/** What may wait with the writer before `write` returns false. */
const WRITE_HIGH_WATER_BYTES = 1024 * 1024;
/** Read in one go. */
const READ_BYTES = 128 * 1024;
/** Written over bytes that the reader has no right to any more. */
const POISON = 0xdb;
/** A connection that was blocked is tried again within this time. */
const RETRANSMIT_MS = 200;

const sharedBuffer = Buffer.alloc(READ_BYTES);
const ignore = (): void => {};

/** Bytes, the end of what the writer has to say, or the end of the connection. */
type Piece = Buffer | 'end' | 'closed';

interface Write {
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
  readonly sent: ((error: Error | null) => void) | undefined;
}

const reset = (): Error => Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });

/** One end of a connection. What it sends is read from the caller's memory only when it leaves. */
export class SimStream implements Stream {
  readonly remote: string;
  readonly local: { readonly host: string; readonly port: number };
  readonly secured = null;
  readonly process: SimProcess;
  peer!: SimStream;
  onData: (bytes: Buffer) => void = ignore;
  onDrain: () => void = ignore;
  onClose: (error: Error | null) => void = ignore;
  readTarget: (() => Buffer | null) | null = null;
  readonly #network: SimNetwork;
  #writes: Write[] = [];
  #writeBytes = 0;
  #needsDrain = false;
  #flushing = false;
  /** Left this end, not read by the peer's program yet. */
  #inFlightBytes = 0;
  /** Pieces on their way, in order; held back while the link is blocked. */
  #wire: Piece[] = [];
  #lastArrivalUs = 0;
  #received: Piece[] = [];
  #isAccepted: boolean;
  #isReading = true;
  /** `end` was called; it was sent; the peer's has come. */
  #ending = false;
  #hasEnded = false;
  #peerEnded = false;
  #isOpen = true;
  /** The machine lost power: this end is silent. */
  #vanished = false;

  constructor(
    network: SimNetwork,
    process: SimProcess,
    remote: string,
    local: { readonly host: string; readonly port: number },
    isAccepted: boolean,
  ) {
    this.#network = network;
    this.process = process;
    this.remote = remote;
    this.local = local;
    this.#isAccepted = isAccepted;
  }

  get nodeId(): number {
    return this.process.nodeId;
  }
  get isOpen(): boolean {
    return this.#isOpen;
  }
  get #link() {
    return this.#network.link(this.nodeId, this.peer.nodeId);
  }

  accepted(): void {
    this.#isAccepted = true;
    this.#read();
  }

  write(chunks: readonly Uint8Array[], sent?: (error: Error | null) => void): boolean {
    if (!this.#isOpen || this.#ending) {
      this.#later('write-failed', () => sent?.(new Error('write after close')));
      return true;
    }
    let bytes = 0;
    for (const chunk of chunks) bytes += chunk.length;
    this.#writes.push({ chunks, bytes, sent });
    this.#writeBytes += bytes;
    this.#flushSoon();
    if (this.#writeBytes < WRITE_HIGH_WATER_BYTES) return true;
    this.#needsDrain = true;
    return false;
  }

  pause(): void {
    this.#isReading = false;
  }
  resume(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    if (this.#received.length > 0) this.#later('resume', () => this.#read());
  }
  end(): void {
    if (this.#ending || !this.#isOpen) return;
    this.#ending = true;
    this.#flushSoon();
  }
  destroy(): void {
    if (!this.#isOpen) return;
    this.#close(null);
    this.#wire.push('closed');
    this.#transmit();
  }

  /** The connection breaks; both ends hear of it. */
  reset(): void {
    this.#close(reset());
    if (this.peer.isOpen) this.peer.#close(reset());
  }

  /** The program that had it is gone, and the system closes it. */
  ownerDied(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (this.#vanished) {
      this.#wire = [];
      return;
    }
    this.#wire.push('closed');
    this.#transmit();
  }

  /** No power: the peer is not told. */
  vanish(): void {
    this.#vanished = true;
  }

  /** Bytes that were held back are sent again. */
  unblocked(): void {
    if (this.#wire.length > 0 && !this.#link.blocked) {
      this.#network.simulation.after(
        null,
        this.#network.random.next() * RETRANSMIT_MS,
        'retransmit',
        () => this.#transmit(),
      );
    }
  }

  #later(label: string, action: () => void): void {
    this.#network.simulation.after(this.process, 0, label, action);
  }

  #close(error: Error | null): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#received = [];
    const writes = this.#writes;
    this.#writes = [];
    this.#writeBytes = 0;
    this.#later('close', () => {
      for (const { sent } of writes) sent?.(error ?? new Error('closed'));
      const { onClose } = this;
      this.onData = ignore;
      this.onDrain = ignore;
      this.onClose = ignore;
      onClose(error);
    });
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#network.simulation.after(this.process, 0.01, 'flush', () => {
      this.#flushing = false;
      this.#flush();
    });
  }

  /** Hands what the system has room for over to it. */
  #flush(): void {
    if (!this.#isOpen) return;
    const taken: Write[] = [];
    while (this.#writes.length > 0 && this.#inFlightBytes < KERNEL_BYTES) {
      const write = this.#writes.shift()!;
      taken.push(write);
      this.#writeBytes -= write.bytes;
      this.#inFlightBytes += write.bytes;
    }
    if (taken.length > 0) {
      this.#wire.push(Buffer.concat(taken.flatMap(({ chunks }) => [...chunks])));
    }
    const ends = this.#ending && this.#writes.length === 0 && !this.#hasEnded;
    if (ends) {
      this.#hasEnded = true;
      this.#wire.push('end');
    }
    this.#transmit();
    for (const { sent } of taken) sent?.(null);
    if (ends && this.#peerEnded) this.#close(null);
    if (this.#needsDrain && this.#writeBytes < WRITE_HIGH_WATER_BYTES / 2) {
      this.#needsDrain = false;
      this.onDrain();
    }
  }

  #transmit(): void {
    if (this.#link.blocked || this.#vanished) return;
    const { simulation } = this.#network;
    for (const piece of this.#wire.splice(0)) {
      const delayUs = Math.ceil(this.#network.oneWayMs(this.nodeId, this.peer.nodeId) * 1000);
      // In order: nothing arrives before what was sent earlier.
      this.#lastArrivalUs = Math.max(this.#lastArrivalUs, simulation.nowUs + delayUs);
      const delayMs = (this.#lastArrivalUs - simulation.nowUs) / 1000;
      simulation.after(null, delayMs, 'arrive', () => this.#arrive(piece));
    }
    if (!this.#isOpen) this.#network.streams.delete(this);
  }

  #arrive(piece: Piece): void {
    const { peer } = this;
    if (!peer.isOpen) {
      // A reset answers bytes for a connection that is no more, once its machine has power.
      if (!this.#isOpen || piece === 'closed') return;
      if (peer.#vanished && this.#network.isDown(peer.nodeId)) {
        this.#network.simulation.after(null, RETRANSMIT_MS, 'again', () => this.#arrive(piece));
      } else this.#close(reset());
      return;
    }
    peer.#received.push(piece);
    if (peer.#received.length === 1) peer.#later('read', () => peer.#read());
  }

  #read(): void {
    while (this.#isOpen && this.#isReading && this.#isAccepted) {
      const piece = this.#received.shift();
      if (piece === undefined) return;
      if (piece === 'closed') this.#close(reset());
      else if (piece === 'end') {
        this.#peerEnded = true;
        if (this.#hasEnded) this.#close(null);
        else this.end();
      } else this.#hand(piece);
    }
  }

  #hand(piece: Buffer): void {
    const { simulation } = this.#network;
    this.#network.counters.deliveries += 1;
    this.#network.counters.bytes += piece.length;
    simulation.trace.bytes(piece);
    const cut = this.#network.splits()
      ? Math.floor(this.#network.random.next() * piece.length)
      : -1;
    let from = 0;
    while (from < piece.length && this.#isOpen) {
      if (!this.#isReading) {
        this.#received.unshift(piece.subarray(from));
        break;
      }
      const target = this.readTarget?.() ?? sharedBuffer;
      const limit = from < cut ? cut - from : piece.length - from;
      const n = Math.min(limit, target.length);
      piece.copy(target, 0, from, from + n);
      from += n;
      this.onData(target.subarray(0, n));
      if (target === sharedBuffer) sharedBuffer.fill(POISON, 0, n);
    }
    this.peer.#delivered(from);
  }

  #delivered(bytes: number): void {
    this.#inFlightBytes -= bytes;
    if (this.#writes.length > 0) this.#flushSoon();
  }
}
