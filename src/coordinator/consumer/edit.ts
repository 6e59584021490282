/**
 * The changes that one operation makes to a consumer group: they are made at once, so that what comes
 * next builds on them; their records go into the log together; and the operation is answered when
 * they are there. What the log refuses is undone, together with all that was built on it.
 */
import { ErrorCode } from '../../protocol/error-codes.ts';
import type { ShardLog, StoredRecord } from '../shard-log.ts';
import { type Change, changeRecord } from './changes.ts';
import type { ConsumerGroup } from './consumer-group.ts';

export class Edit {
  readonly group: ConsumerGroup;
  readonly records: StoredRecord[];
  readonly #inverses: Change[] = [];
  #withdraw: () => void = () => {};
  #resolve: (code: number) => void = () => {};

  /** `before`: records that go first, and that a failure does not undo. */
  constructor(group: ConsumerGroup, before: readonly StoredRecord[] = []) {
    this.group = group;
    this.records = [...before];
  }

  apply(change: Change): void {
    this.#inverses.push(this.group.apply(change));
    this.records.push(changeRecord(this.group.id, change));
  }

  /** Takes everything back that `apply` has done. */
  undo(): void {
    for (const change of this.#inverses.reverse()) this.group.apply(change);
    this.#inverses.length = 0;
    // The check may have been done for an epoch that never was.
    this.group.needsRefresh = true;
  }

  /**
   * Writes the records. Resolves with NONE when everything that this operation has seen is in the log;
   * with another code when it is undone.
   */
  commit(log: ShardLog): Promise<number> {
    const { edits } = this.group;
    return new Promise((resolve) => {
      this.#resolve = resolve;
      edits.push(this);
      this.#withdraw = log.write(this.records, (code) => this.#stored(code), { whole: true });
    });
  }

  #stored(code: number): void {
    const { edits } = this.group;
    const at = edits.indexOf(this);
    if (at === -1) return;
    if (code === ErrorCode.NONE) {
      edits.splice(at, 1);
      return this.#resolve(code);
    }
    const undone = edits.splice(at);
    for (const edit of undone.toReversed()) {
      edit.#withdraw();
      edit.undo();
    }
    for (const edit of undone) edit.#resolve(code);
  }
}
