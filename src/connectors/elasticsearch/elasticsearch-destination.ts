/**
 * Elasticsearch and OpenSearch as a destination: windows are `_bulk` bodies, every action is a
 * `create` with an id of its own, and every item of an answer is judged by itself.
 *
 * Whatever is not known to have been taken is sent again; a document that is there already answers
 * 409, which is success. That holds within the index that is written to: where the data stream may
 * have rolled over in between, what is sent again is looked for in the older ones first
 * (`data-stream.ts`). So a crash, a timeout or a broken answer costs a repetition, never a document
 * more or less; but for a rollover in the very milliseconds between that look and the request.
 */
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import type { Clock } from '../../base/clock.ts';
import { OperatingError, reasonOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Destination, Settlement, Verdict, WriteResult } from '../connector.ts';
import { retryAfterMs } from '../retry.ts';
import { BulkBody, type BulkLimits, Outcome } from './bulk-body.ts';
import { BULK_FILTER, type ItemResult, readBulkResponse } from './bulk-response.ts';
import { type Ask, DataStream } from './data-stream.ts';
import { indexTemplate, TEMPLATE_VERSION } from './index-template.ts';
import { actionFor } from './item-outcome.ts';
import { type Answer, type Flavour, isPassing, parsed, SearchServer } from './server.ts';
import type { ElasticsearchSettings } from './settings.ts';

const gzipBody = promisify(gzip);

/** However small the server wants its requests, they are not made smaller than this. */
const REQUEST_BYTES_MIN = 64 * 1024;
/** While it writes, it looks this often whether the data stream has rolled over. */
const LOOK_MS = 60_000;
/** Characters of an answer that an error message quotes. */
const QUOTE_MAX = 300;

/** Counters of one destination, copied at scrape. */
export interface BulkProbe {
  requests: number;
  /** Requests without a usable answer. */
  requestFaults: number;
  /** Requests that the server found too large. */
  requestsTooLarge: number;
  /** Requests or items that the server refused for load. */
  pushBacks: number;
  /** Bytes of request bodies, before compression. */
  bytes: number;
  /** Items sent again. */
  retriedItems: number;
}

interface Seams {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What one attempt has found out so far. */
interface Findings {
  verdict: Verdict;
  reason: string;
  retryAfterMs: number;
  /** The server has judged items one by one. */
  hasJudged: boolean;
}

const nothingFound = (): Findings => ({
  verdict: 'settled',
  reason: '',
  retryAfterMs: 0,
  hasJudged: false,
});

const RANK: Readonly<Record<Verdict, number>> = { settled: 0, again: 1, slower: 2, stuck: 3 };

export class ElasticsearchDestination implements Destination<BulkBody> {
  readonly #settings: ElasticsearchSettings;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #limits: BulkLimits;
  readonly #stream: DataStream;
  /** When it looked at the data stream last, monotonic milliseconds. */
  #lookedAt = 0;
  #server: SearchServer | null = null;
  #flavour: Flavour | null = null;
  #version = '';
  readonly probe: BulkProbe = {
    requests: 0,
    requestFaults: 0,
    requestsTooLarge: 0,
    pushBacks: 0,
    bytes: 0,
    retriedItems: 0,
  };

  constructor(settings: ElasticsearchSettings, seams: Seams) {
    this.#settings = settings;
    this.#clock = seams.clock;
    this.#logger = seams.logger;
    this.#limits = { bytes: settings.requestBytesMax, records: settings.requestRecordsMax };
    const ask: Ask = (request) => this.#request(request);
    this.#stream = new DataStream(settings.index, ask, seams.logger);
  }

  /** `elasticsearch 9.2.4`, or what is known of it. */
  get product(): string {
    return this.#flavour === null ? '' : `${this.#flavour} ${this.#version}`.trim();
  }

  get generation(): string {
    return this.#stream.newest;
  }

  createWindow(): BulkBody {
    return new BulkBody(this.#limits, this.#clock);
  }

  async open(signal: AbortSignal): Promise<WriteResult> {
    const findings = nothingFound();
    try {
      this.#server ??= await SearchServer.create(this.#settings.server, this.#clock);
      await this.#detect(signal, findings);
      if (findings.verdict === 'settled') await this.#prepare(signal, findings);
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error;
      note(findings, 'again', error.message);
    }
    return resultOf(findings, 0);
  }

  /** Which server this is: by `GET /`, or by a header where that is not answered. */
  async #detect(signal: AbortSignal, findings: Findings): Promise<void> {
    const answer = await this.#request({ method: 'GET', path: '/', signal });
    // 403 is a user who may write and nothing else: the header tells enough.
    if (answer.status === 401 || answer.status === 429) return this.#noteStatus(answer, findings);
    if (answer.status >= 500) return this.#noteStatus(answer, findings);
    const info = parsed(answer.body) as { version?: { distribution?: string; number?: string } };
    const elastic = answer.headers['x-elastic-product'] === 'Elasticsearch';
    this.#version = info?.version?.number ?? '';
    if (info?.version?.distribution === 'opensearch') this.#flavour = 'opensearch';
    else if (elastic || this.#version !== '') this.#flavour = 'elasticsearch';
    else {
      const seen = `status ${answer.status} to GET /: ${quote(answer.body)}`;
      note(findings, 'stuck', `neither Elasticsearch nor OpenSearch answers there (${seen})`);
    }
  }

  /** The index template and the data stream, made when they are absent. */
  async #prepare(signal: AbortSignal, findings: Findings): Promise<void> {
    const { index } = this.#settings;
    const path = `/_index_template/${encodeURIComponent(`weir-${index}`)}`;
    const present = await this.#request({ method: 'GET', path, signal });
    if (present.status >= 500 || present.status === 429) return this.#noteStatus(present, findings);
    if (present.status === 401) return this.#noteStatus(present, findings);
    if (present.status !== 200 || templateVersion(present.body) < TEMPLATE_VERSION) {
      const template = indexTemplate(index, this.#flavour ?? 'elasticsearch');
      const body = Buffer.from(JSON.stringify(template));
      const made = await this.#request({ method: 'PUT', path, body, signal });
      if (made.status === 403) {
        // A user who may only write: somebody else looks after templates.
        this.#logger.warn('not allowed to make the index template', {
          'elasticsearch.template': `weir-${index}`,
          'error.message': quote(made.body),
        });
      } else if (made.status !== 200) return this.#noteStatus(made, findings);
    }
    // The first document makes the stream as well, so a refusal is no fault (a server without the
    // call, a user without the right, a stream that is there).
    const stream = `/_data_stream/${encodeURIComponent(index)}`;
    const existing = await this.#request({ method: 'GET', path: stream, signal });
    if (existing.status === 404) await this.#request({ method: 'PUT', path: stream, signal });
    await this.#look(signal, findings);
  }

  /** Which indices the data stream has. */
  async #look(signal: AbortSignal, findings: Findings): Promise<void> {
    this.#lookedAt = this.#clock.monotonic();
    const refusal = await this.#stream.look(signal);
    if (refusal !== null) this.#noteStatus(refusal, findings);
  }

  async write(
    window: BulkBody,
    attempt: number,
    to: Settlement,
    signal: AbortSignal,
  ): Promise<WriteResult> {
    const findings = nothingFound();
    if (attempt > 1) this.probe.retriedItems += window.count;
    const known = await this.#findRepeats(window, to, signal, findings);
    if (window.count > 0 && findings.verdict === 'settled') {
      await this.#send(window, 0, window.count, signal, findings);
    }
    if (findings.hasJudged) window.answers++;
    const settled = known + window.settle(to);
    return resultOf(window.count === 0 ? nothingFound() : findings, settled);
  }

  /**
   * Settles what was handed over before the data stream rolled over, and returns how many that were.
   * Only what may have been handed over before is looked for.
   */
  async #findRepeats(
    window: BulkBody,
    to: Settlement,
    signal: AbortSignal,
    findings: Findings,
  ): Promise<number> {
    const isLookDue = this.#clock.monotonic() - this.#lookedAt >= LOOK_MS;
    if (!window.mayRepeat && !isLookDue) return 0;
    try {
      await this.#look(signal, findings);
      if (!window.mayRepeat) return 0;
      for (const generation of window.generations()) {
        for (const index of this.#stream.olderThanNewest(generation)) {
          if (findings.verdict !== 'settled') break;
          await this.#findIn(index, window, generation, signal, findings);
        }
      }
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error;
      this.probe.requestFaults++;
      note(findings, 'again', error.message);
    }
    return window.settle(to);
  }

  async #findIn(
    index: string,
    window: BulkBody,
    generation: string,
    signal: AbortSignal,
    findings: Findings,
  ): Promise<void> {
    const items = window.openItemsOf(generation);
    const ids = items.map((item) => window.idOf(item));
    const found = (at: number): void => window.setOutcome(items[at]!, Outcome.duplicate);
    const refusal = await this.#stream.find(index, ids, found, signal);
    if (refusal !== null) this.#noteStatus(refusal, findings);
  }

  /** Sends the items `[from, to)` and notes what became of them; in halves when they are too large. */
  async #send(
    window: BulkBody,
    from: number,
    to: number,
    signal: AbortSignal,
    findings: Findings,
  ): Promise<void> {
    const body = window.slice(from, to);
    let answer: Answer;
    try {
      answer = await this.#bulk(body, signal);
      if (answer.status === 200) {
        this.#judge(window, from, to, readBulkResponse(answer.body, to - from), findings);
        return;
      }
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error;
      this.probe.requestFaults++;
      window.mayRepeat = true;
      note(findings, 'again', error.message);
      return;
    }
    // A proxy may say so of a request that went through.
    if (isPassing(answer.status)) window.mayRepeat = true;
    if (answer.status !== 413) return this.#noteStatus(answer, findings);
    this.probe.requestsTooLarge++;
    if (to - from === 1) {
      const reason = `a request with this record alone (${body.length} bytes) is too large`;
      window.setOutcome(from, Outcome.refused, { type: 'too_large', reason, status: 413 });
      return;
    }
    this.#limits.bytes = Math.max(
      REQUEST_BYTES_MIN,
      Math.min(this.#limits.bytes, Math.floor(body.length / 2)),
    );
    const middle = from + ((to - from) >> 1);
    await this.#send(window, from, middle, signal, findings);
    if (findings.verdict !== 'settled') return; // The other half waits for the next attempt.
    await this.#send(window, middle, to, signal, findings);
  }

  async #bulk(body: Buffer, signal: AbortSignal): Promise<Answer> {
    this.probe.requests++;
    this.probe.bytes += body.length;
    const compressed = this.#settings.compression;
    return this.#request({
      method: 'POST',
      path: `/${encodeURIComponent(this.#settings.index)}/_bulk`,
      query: { filter_path: BULK_FILTER },
      body: compressed ? await gzipBody(body, { level: constants.Z_BEST_SPEED }) : body,
      contentType: 'application/x-ndjson',
      ...(compressed ? { contentEncoding: 'gzip' } : {}),
      signal,
    });
  }

  #judge(
    window: BulkBody,
    from: number,
    to: number,
    results: readonly ItemResult[] | null,
    findings: Findings,
  ): void {
    if (results === null) {
      for (let item = from; item < to; item++) window.setOutcome(item, Outcome.done);
      return;
    }
    findings.hasJudged = true;
    for (let i = 0; i < results.length; i++) {
      const result = results[i]!;
      const item = from + i;
      const action = actionFor(result, window.answers + 1);
      if (action === 'done') window.setOutcome(item, Outcome.done);
      else if (action === 'duplicate') window.setOutcome(item, Outcome.duplicate);
      else if (action === 'refused') window.setOutcome(item, Outcome.refused, result);
      else {
        if (action === 'slower') this.probe.pushBacks++;
        // A copy of the shard may have taken it.
        else window.mayRepeat = true;
        note(findings, action, `item status ${result.status} ${result.type}: ${result.reason}`);
      }
    }
  }

  /** A status that concerns the whole request. */
  #noteStatus(answer: Answer, findings: Findings): void {
    const { status } = answer;
    const reason = `status ${status}: ${quote(answer.body)}`;
    if (status === 429 || status === 503) {
      this.probe.pushBacks++;
      findings.retryAfterMs = retryAfterMs(answer.headers['retry-after'], this.#clock.now());
      note(findings, 'slower', reason);
    } else if (status >= 500 || status === 408) note(findings, 'again', reason);
    else note(findings, 'stuck', reason);
  }

  #request(request: Parameters<SearchServer['request']>[0]): Promise<Answer> {
    const server = this.#server;
    if (server === null) throw new OperatingError('connection', 'not open');
    return server.request(request);
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    await server?.close().catch((error: unknown) => {
      this.#logger.debug('closing connections', { 'error.message': reasonOf(error) });
    });
  }
}

const resultOf = (
  { verdict, reason, retryAfterMs: wait }: Findings,
  settled: number,
): WriteResult => ({
  verdict,
  reason,
  retryAfterMs: wait,
  settled,
});

/** Keeps the worst of what was found. */
function note(findings: Findings, verdict: Verdict, reason: string): void {
  if (RANK[verdict] <= RANK[findings.verdict]) return;
  findings.verdict = verdict;
  findings.reason = reason;
}

const quote = (body: Buffer): string => body.toString('utf8', 0, QUOTE_MAX).trim();

function templateVersion(body: Buffer): number {
  const answer = parsed(body) as {
    index_templates?: { index_template?: { _meta?: { version?: unknown } } }[];
  } | null;
  const version = answer?.index_templates?.[0]?.index_template?._meta?.version;
  // One that is there without our mark is the user's own.
  return typeof version === 'number' ? version : Number.POSITIVE_INFINITY;
}
