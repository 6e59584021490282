/**
 * The backing indices of a data stream (or those behind an alias): a rollover adds one, and only the
 * newest is written to.
 *
 * A `create` is compared with what the newest has and with nothing else. So whatever may have been
 * sent before a rollover, and is to be sent again, is looked for in those that were written to in
 * between, by its id and without a refresh (`_mget` sees what no search does yet).
 *
 * Nothing is kept here. What is known may lag behind the server; the name of the index that is taken
 * for the newest goes into the group's committed offsets, and says after a crash where to begin.
 */
import { OperatingError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { type Answer, isPassing, parsed, type ServerRequest } from './server.ts';

/** Ids in one request: some 64 KiB. */
const IDS_MAX = 1_000;
const BORN_FILTER = 'error,*.settings.index.creation_date';
const FOUND_FILTER = 'docs.found,docs.error.type';

/** An index that is gone or shut away: nobody can look there, and nobody finds anything there. */
const ABSENT: ReadonlySet<string> = new Set([
  'index_not_found_exception',
  'index_closed_exception',
]);

/** Rejects with OperatingError where there is no answer. */
export type Ask = (request: ServerRequest) => Promise<Answer>;

export class DataStream {
  readonly #name: string;
  readonly #ask: Ask;
  readonly #logger: Logger;
  /** Oldest first; empty: there is none, or nobody tells. */
  #indices: readonly string[] = [];
  #looks = 0;
  #lookTaken = 0;
  #isRefused = false;

  constructor(name: string, ask: Ask, logger: Logger) {
    this.#name = name;
    this.#ask = ask;
    this.#logger = logger;
  }

  /** The index that is written to, as it was seen last; '': unknown, or this is no data stream. */
  get newest(): string {
    return this.#indices.at(-1) ?? '';
  }

  /**
   * Asks which indices there are. Null: that is known now, or can't be; else the answer of a server
   * that is to be asked again. Rejects with OperatingError where there is none.
   */
  async look(signal: AbortSignal): Promise<Answer | null> {
    const look = ++this.#looks;
    // Of each index that the name stands for: also behind an alias, and where `_data_stream` is missing.
    const path = `/${encodeURIComponent(this.#name)}/_settings`;
    const query = { filter_path: BORN_FILTER };
    const answer = await this.#ask({ method: 'GET', path, query, signal });
    if (isAskedAgain(answer.status)) return answer;
    if (answer.status !== 200 && answer.status !== 404) this.#refused(answer.status, path);
    // The answers to two that look at once may come in any order.
    if (look < this.#lookTaken) return null;
    this.#lookTaken = look;
    if (answer.status === 200) this.#indices = indicesOf(answer.body);
    else if (answer.status === 404) this.#indices = [];
    return null;
  }

  /** Those that were written to from `since` on, without the newest. '', or one that is gone: all. */
  olderThanNewest(since: string): readonly string[] {
    return this.#indices.slice(Math.max(0, this.#indices.indexOf(since)), -1);
  }

  /**
   * Calls `found` with the position of each id that the index has. Null: all were looked for, or
   * can't be; else the answer of a server that is to be asked again. Rejects with OperatingError
   * where there is none, or none to go by.
   */
  async find(
    index: string,
    ids: readonly string[],
    found: (at: number) => void,
    signal: AbortSignal,
  ): Promise<Answer | null> {
    const path = `/${encodeURIComponent(index)}/_mget`;
    const query = { _source: 'false', filter_path: FOUND_FILTER };
    for (let from = 0; from < ids.length; from += IDS_MAX) {
      const some = ids.slice(from, from + IDS_MAX);
      const body = Buffer.from(JSON.stringify({ ids: some }));
      const answer = await this.#ask({ method: 'POST', path, query, body, signal });
      if (isAskedAgain(answer.status)) return answer;
      if (answer.status === 404) return null;
      if (answer.status !== 200) {
        this.#refused(answer.status, path);
        return null;
      }
      const isFound = foundOf(answer.body, some.length);
      for (let i = 0; i < some.length; i++) if (isFound[i]) found(from + i);
    }
    return null;
  }

  /** Somebody who may write and nothing else: rather a repetition than a record that waits for ever. */
  #refused(status: number, path: string): void {
    if (this.#isRefused) return;
    this.#isRefused = true;
    this.#logger.warn(
      'what is sent again after a rollover may stand twice: it can not be looked for',
      {
        'elasticsearch.data_stream': this.#name,
        'error.message': `status ${status} to ${path}`,
      },
    );
  }
}

/** Somebody may still get an answer: later, or with other credentials. */
const isAskedAgain = (status: number): boolean => isPassing(status) || status === 401;

/** By their birth: the servers list them in no order. */
function indicesOf(body: Buffer): string[] {
  type Settings = { settings?: { index?: { creation_date?: string } } };
  const answer = (parsed(body) ?? {}) as Record<string, Settings>;
  const born = ([, { settings }]: [string, Settings]): number =>
    Number(settings?.index?.creation_date ?? 0);
  const indices = Object.entries(answer).sort(
    (a, b) => born(a) - born(b) || (a[0] < b[0] ? -1 : 1),
  );
  return indices.map(([name]) => name);
}

function foundOf(body: Buffer, expected: number): boolean[] {
  const answer = parsed(body) as {
    docs?: { found?: boolean; error?: { type?: string } }[];
  } | null;
  const docs = answer?.docs;
  if (!Array.isArray(docs) || docs.length !== expected) {
    const seen = Array.isArray(docs) ? docs.length : 'no';
    throw new OperatingError('mget-response', `expected ${expected} documents, saw ${seen}`);
  }
  return docs.map(({ found, error }) => {
    if (typeof found === 'boolean') return found;
    const type = error?.type ?? 'no answer for a document';
    if (ABSENT.has(type)) return false;
    throw new OperatingError('mget-response', `can't look for documents: ${type}`);
  });
}
