import { reasonOf } from '../base/errors.ts';
import type { Client } from './client.ts';
import type { Connection } from './connection.ts';
import { ReadBarrier } from './read-barrier.ts';

/** What a producer's sender wants to hear of its connections. */
export interface LeaderListener {
  /** Something may be sent now, or must be sent elsewhere. */
  readonly wake: () => void;
  readonly failed: (error: Error) => void;
  /** With acks=0: records that the broker may not have read. */
  readonly uncertain: (records: number) => void;
}

/** A broker that leads partitions, as a producer's sender sees it. */
export class ProducerLeader {
  readonly id: number;
  /** Requests that wait for their answers. */
  inFlight = 0;
  /** Monotonic milliseconds until which the broker asked for silence (KIP-219). */
  mutedUntil = 0;
  barrier: ReadBarrier | null = null;
  readonly #client: Client;
  readonly #acks: number;
  readonly #listener: LeaderListener;
  #connection: Connection | null = null;
  #connecting = false;

  constructor(client: Client, id: number, acks: number, listener: LeaderListener) {
    this.#client = client;
    this.id = id;
    this.#acks = acks;
    this.#listener = listener;
  }

  /** The connection that stands, or null; then `connect`. */
  get connection(): Connection | null {
    return this.#connection?.isOpen === true ? this.#connection : null;
  }

  /** Connects in the background, unless it does already. The client's link paces the attempts. */
  connect(): void {
    if (this.#connecting) return;
    this.#connecting = true;
    this.#client.connection(this.id, 'produce').then(
      (connection) => {
        this.#connecting = false;
        this.#adopt(connection);
        this.#listener.wake();
      },
      (error: unknown) => {
        this.#connecting = false;
        this.#listener.failed(error instanceof Error ? error : new Error(reasonOf(error)));
      },
    );
  }

  close(): void {
    this.barrier?.close();
  }

  #adopt(connection: Connection): void {
    if (this.#connection === connection) return;
    this.#connection = connection;
    this.barrier?.close();
    const { clock } = this.#client;
    const barrier =
      this.#acks === 0 ? new ReadBarrier(clock, connection, this.#listener.uncertain) : null;
    this.barrier = barrier;
    // Other producers of the client may listen to the same connection.
    const { onDrain, onClose } = connection;
    connection.onDrain = () => {
      onDrain();
      this.#listener.wake();
    };
    connection.onClose = (error) => {
      onClose(error);
      barrier?.lost();
      this.#listener.failed(error);
    };
  }
}
