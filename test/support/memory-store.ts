/** A metadata log in memory: commits at the end of the turn, while it is said to be active. */
import { MetadataDelta } from '../../src/cluster/metadata-delta.ts';
import { MetadataImage } from '../../src/cluster/metadata-image.ts';
import type { MetadataRecord } from '../../src/cluster/metadata-records.ts';
import type { MetadataListener, MetadataStore } from '../../src/cluster/metadata-store.ts';
import { ErrorCode, ProtocolError } from '../../src/protocol/error-codes.ts';

export class MemoryStore implements MetadataStore {
  readonly image = new MetadataImage();
  /** Every step that was committed. */
  readonly steps: (readonly MetadataRecord[])[] = [];
  lastOffset = -1;
  lastTimestamp = 0;
  leaderId: number;
  epoch = 1;
  isActive: boolean;
  /** What the next append fails with. */
  failure: Error | null = null;
  readonly #listeners: MetadataListener[] = [];
  readonly #leaderListeners: (() => void)[] = [];

  constructor(leaderId = 0, isActive = true) {
    this.leaderId = leaderId;
    this.isActive = isActive;
  }

  onCommitted(listener: MetadataListener): void {
    this.#listeners.push(listener);
  }
  onLeaderChange(listener: () => void): void {
    this.#leaderListeners.push(listener);
  }

  /** Ends or begins this broker's time as the active controller. */
  setActive(isActive: boolean): void {
    this.isActive = isActive;
    this.epoch += 1;
    for (const listener of this.#leaderListeners) listener();
  }

  async append(records: readonly MetadataRecord[]): Promise<number> {
    await Promise.resolve();
    const { failure } = this;
    this.failure = null;
    if (failure !== null) throw failure;
    if (!this.isActive) throw new ProtocolError(ErrorCode.NOT_CONTROLLER);
    return this.commit(records);
  }

  /** What another controller has decided, or what this one has. */
  commit(records: readonly MetadataRecord[]): number {
    const delta = new MetadataDelta();
    for (const record of records) this.image.apply(record, delta);
    this.lastOffset += records.length;
    this.steps.push(records);
    for (const listener of this.#listeners) listener(delta, this.image);
    return this.lastOffset;
  }
}
