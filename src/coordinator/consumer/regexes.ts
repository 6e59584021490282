/**
 * Looks up the topics that the regular expressions of a group stand for. A regular expression comes
 * from a client, so it must not cost more than its length: RE2 takes time linear in the text.
 *
 * That is done after the request that gives cause to it has been answered, for all of the group's
 * expressions at once, and not again for a while.
 */
import { compileRe2, type Re2 } from '../../base/re2.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type { RequestContext } from '../request-context.ts';
import type { ResolvedRegex } from './changes.ts';
import type { ConsumerGroup } from './consumer-group.ts';
import { Edit } from './edit.ts';
import { bumpEpoch, type ConsumerParts } from './planning.ts';

/** Between two look-ups of one group, milliseconds. */
const REFRESH_MS_MIN = 10_000;

/** Throws INVALID_REGULAR_EXPRESSION. */
export function compileRegex(regex: string): Re2 {
  const compiled = compileRe2(regex);
  if (!('fault' in compiled)) return compiled;
  throw new ProtocolError(
    ErrorCode.INVALID_REGULAR_EXPRESSION,
    `SubscribedTopicRegex \`${regex}\` is not a valid regular expression: ${compiled.fault}.`,
  );
}

export class Regexes {
  readonly #parts: ConsumerParts;
  /** Of the metadata in which a topic was made last, as far as is known here. */
  #versionOfNewTopics: number;

  constructor(parts: ConsumerParts) {
    this.#parts = parts;
    this.#versionOfNewTopics = parts.topics.version;
  }

  topicsCreated(): void {
    this.#versionOfNewTopics = this.#parts.topics.version;
  }

  /** Looks the group's expressions up soon, if there is cause to. */
  refresh(group: ConsumerGroup, context: RequestContext, isNew: boolean): void {
    if (group.isResolving || group.subscribedRegexCount === 0) return;
    const [last] = group.regexes.values();
    const sinceMs = last === undefined ? Infinity : this.#parts.clock.now() - last.timestamp;
    // One of the future was done before the clock went back, or by a broker whose clock is ahead.
    const isOfFuture = sinceMs < 0;
    if (!isOfFuture && sinceMs <= REFRESH_MS_MIN) return;
    const intervalMs = this.#parts.settings.consumerRegexRefreshIntervalMs;
    const isDue =
      isNew ||
      group.subscribedRegexCount !== group.regexes.size ||
      last === undefined ||
      last.version < this.#versionOfNewTopics ||
      isOfFuture ||
      sinceMs > intervalMs;
    if (!isDue) return;
    group.isResolving = true;
    this.#parts.clock.after(0, () => {
      group.isResolving = false;
      if (this.#parts.groups.get(group.id) === group) this.#resolve(group, context);
    });
  }

  #resolve(group: ConsumerGroup, context: RequestContext): void {
    const edit = new Edit(group);
    const timestamp = this.#parts.clock.now();
    let isChanged = false;
    for (const [regex, topics] of this.#lookUp(group.subscribedRegexes(), context)) {
      const known = new Set(group.regexes.get(regex)?.topics ?? []);
      if (known.size !== topics.length || topics.some((topic) => !known.has(topic))) {
        isChanged = true;
      }
      const value: ResolvedRegex = { topics, version: this.#parts.topics.version, timestamp };
      edit.apply({ kind: 'regex', regex, value });
    }
    bumpEpoch(this.#parts, edit, isChanged);
    // What the log does not take is looked up again with a later request.
    void edit.commit(this.#parts.store);
  }

  #lookUp(regexes: Iterable<string>, context: RequestContext): Map<string, string[]> {
    const found = new Map<string, string[]>();
    const patterns: [regex: string, pattern: Re2][] = [];
    for (const regex of regexes) {
      found.set(regex, []);
      patterns.push([regex, compileRegex(regex)]);
    }
    for (const topic of this.#parts.topics.names()) {
      for (const [regex, pattern] of patterns) {
        if (!pattern.matches(topic)) continue;
        if (context.mayDescribe?.(topic) === false) continue;
        found.get(regex)?.push(topic);
      }
    }
    return found;
  }
}
