/**
 * The appliance as its users run it: four kinds of senders, a process that is killed again and
 * again, and an Elasticsearch that goes away in the middle.
 *
 * `WEIR_ACCEPTANCE_LINES` is the number of lines in all (100,000 unless told).
 */
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import winston from 'winston';
import { crc32c } from '../../src/base/crc32c.ts';
import { Admin } from '../../src/client/admin.ts';
import { Client } from '../../src/client/client.ts';
import { type FetchedBatch, forEachFetchedRecord } from '../../src/client/fetched-batch.ts';
import { Fetcher } from '../../src/client/fetcher.ts';
import { WeirTransport } from '../../src/collectors/winston/transport.ts';
import { valueOf } from '../../src/protocol/record-batch.ts';
import { startElasticsearch } from '../peers/elasticsearch.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { type Rsyslog, startRsyslog } from '../peers/rsyslog.ts';
import type { SearchServer } from '../peers/search-server.ts';
import { WeirProcess } from '../support/weir-process.ts';

const LINES = Number(process.env['WEIR_ACCEPTANCE_LINES'] ?? 100_000);
const EACH = Math.floor(LINES / 4);
const KILLS = 3;
const TIMEOUT_MS = 300_000 + LINES * 2;

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Lines are `SOURCE n of the acceptance run`. */
const line = (source: string, n: number): string => `${source} ${n} of the acceptance run`;
const PATTERN = /"(http|file|winston|rsyslog) (\d+) of the acceptance run"/;

/** Topic id, partition, leader epoch and offset. */
const DOCUMENT_ID = /^.{22}-(\d+)-\d+-(\d+)$/;

/** How far all senders are, for the kills to fall into the middle of the work. */
const progress = { sent: 0, toRsyslog: 0 };

/** Sends batches and sends a batch again until it was answered 200. Returns how many lines it repeated. */
async function sendHttp(weir: WeirProcess): Promise<number> {
  const step = 250;
  let repeated = 0;
  for (let first = 0; first < EACH; first += step) {
    const count = Math.min(step, EACH - first);
    const lines = Array.from({ length: count }, (_, i) =>
      JSON.stringify({ message: line('http', first + i) }),
    );
    for (let attempt = 0; ; attempt++) {
      if (attempt > 0) repeated += count;
      try {
        const answer = await fetch(`${weir.url}/ingest`, {
          method: 'POST',
          headers: { 'content-type': 'application/x-ndjson' },
          body: lines.join('\n'),
        });
        await answer.text();
        if (answer.ok) break;
      } catch {
        // The process is down: send again, as an agent does.
      }
      await pause(50);
    }
    progress.sent += count;
  }
  return repeated;
}

/** Writes a file that is rotated by renaming, as an application under logrotate does. */
async function writeFile(folder: string): Promise<void> {
  const file = path.join(folder, 'app.log');
  const step = 500;
  for (let first = 0; first < EACH; first += step) {
    const count = Math.min(step, EACH - first);
    const lines = Array.from({ length: count }, (_, i) => `${line('file', first + i)}\n`);
    fs.appendFileSync(file, lines.join(''));
    progress.sent += count;
    if ((first / step) % 10 === 9) fs.renameSync(file, `${file}.${first}`);
    await pause(10);
  }
}

async function logWinston(weir: WeirProcess): Promise<WeirTransport> {
  // It may take as long as all else: what it gave up at its end nobody would have lost.
  const transport = new WeirTransport({
    url: weir.url,
    queueRecordsMax: EACH,
    closeTimeoutMs: TIMEOUT_MS,
  });
  const logger = winston.createLogger({ transports: [transport] });
  for (let n = 0; n < EACH; n++) {
    logger.info(line('winston', n));
    progress.sent++;
    if (n % 200 === 199) await pause(5);
  }
  logger.end();
  await once(transport, 'finish');
  return transport;
}

async function sendRsyslog(rsyslog: Rsyslog): Promise<void> {
  const socket = net.connect(rsyslog.port, '127.0.0.1');
  await once(socket, 'connect');
  for (let n = 0; n < EACH; n++) {
    const text = `<13>1 2026-01-01T00:00:00Z host app - - - ${line('rsyslog', n)}\n`;
    if (!socket.write(text)) await once(socket, 'drain');
    progress.sent++;
    progress.toRsyslog++;
    if (n % 200 === 199) await pause(5);
  }
  socket.end();
  await once(socket, 'close');
}

/** The same for two documents of the same fields in the same order. */
const digest = (document: unknown): number => crc32c(Buffer.from(JSON.stringify(document)));

/** What stands in topic `logs`, read on and on. */
class LogContents {
  /** How often each line stands in the log. */
  readonly seen = new Map<string, number>();
  /** Every record's digest, by `partition-offset`. */
  readonly digests = new Map<string, number>();
  readonly #client: Client;
  readonly #fetcher: Fetcher;

  private constructor(client: Client) {
    this.#client = client;
    this.#fetcher = new Fetcher(client, { maxWaitMs: 100 });
  }

  static async open(weir: WeirProcess): Promise<LogContents> {
    const client = new Client({ bootstrap: weir.bootstrap, clientId: 'acceptance' });
    const [topic] = await new Admin(client).describeTopics(['logs']);
    const contents = new LogContents(client);
    contents.#fetcher.assign(
      topic!.partitions.map((p) => ({ topic: 'logs', partition: p.index, offset: 0 })),
    );
    return contents;
  }

  /** Reads until nothing has come for `quietMs`. */
  async settle(quietMs: number): Promise<void> {
    for (let last = performance.now(); performance.now() - last < quietMs; ) {
      const batches = await this.#fetcher.poll(500);
      for (const batch of batches) this.#take(batch);
      if (batches.length > 0) last = performance.now();
    }
  }

  #take(batch: FetchedBatch): void {
    forEachFetchedRecord(batch, (record) => {
      const value = valueOf(record)!.toString();
      this.digests.set(`${batch.partition}-${record.offset}`, digest(JSON.parse(value)));
      const found = PATTERN.exec(value);
      if (found === null) return;
      const key = `${found[1]} ${found[2]}`;
      this.seen.set(key, (this.seen.get(key) ?? 0) + 1);
    });
  }

  get records(): number {
    return this.digests.size;
  }

  close(): void {
    this.#fetcher.close();
    this.#client.close();
  }
}

/** What the data stream has that the log has not, or has otherwise, or twice; and what it lacks. */
async function differences(log: LogContents, elasticsearch: SearchServer): Promise<string[]> {
  const missing = new Map(log.digests);
  const found: string[] = [];
  const search = { size: 5000, sort: ['_doc'] };
  let { body } = await elasticsearch.call('POST', '/logs-weir-default/_search?scroll=1m', search);
  while (body.hits.hits.length > 0) {
    for (const { _id: id, _source: source } of body.hits.hits) {
      const [, partition, offset] = DOCUMENT_ID.exec(id) ?? [];
      const key = `${partition}-${offset}`;
      const expected = missing.get(key);
      missing.delete(key);
      if (expected === undefined) found.push(`${id} is not in the log, or stands here twice`);
      else if (expected !== digest(source)) found.push(`${id} is ${JSON.stringify(source)}`);
    }
    const next = { scroll: '1m', scroll_id: body._scroll_id };
    ({ body } = await elasticsearch.call('POST', '/_search/scroll', next));
  }
  for (const key of missing.keys()) found.push(`${key} is missing`);
  return found;
}

const missing = (log: LogContents, source: string): number => {
  let count = 0;
  for (let n = 0; n < EACH; n++) if (!log.seen.has(`${source} ${n}`)) count++;
  return count;
};
const twice = (log: LogContents, source: string): number => {
  let count = 0;
  for (let n = 0; n < EACH; n++) count += Math.max((log.seen.get(`${source} ${n}`) ?? 0) - 1, 0);
  return count;
};

/** Counters of the syslog collector in one life of the process. */
interface SyslogCounts {
  readonly received: number;
  readonly stored: number;
  readonly rejected: number;
  readonly dropped: number;
  readonly inFlight: number;
}

async function syslogCounts(weir: WeirProcess): Promise<SyslogCounts> {
  const text = await (await fetch(`${weir.url}/metrics`)).text();
  const sum = (name: string): number => {
    let total = 0;
    const pattern = new RegExp(
      `^weir_collector_${name}\\{[^}]*collector="syslog"[^}]*\\} (\\S+)$`,
      'gm',
    );
    for (const [, value] of text.matchAll(pattern)) total += Number(value);
    return total;
  };
  return {
    received: sum('received_total'),
    stored: sum('stored_total'),
    rejected: sum('rejected_total'),
    dropped: sum('dropped_total'),
    inFlight: sum('in_flight'),
  };
}

const outcomes = (c: SyslogCounts): number => c.stored + c.rejected + c.dropped + c.inFlight;

/** Bytes in the kernel's buffers, both directions, of connections from or to the port. */
function queuedBytes(port: number): number {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  let bytes = 0;
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const row of fs.readFileSync(file, 'utf8').split('\n').slice(1)) {
      const [, local = '', remote = '', state = '', queues = ''] = row.trim().split(/\s+/);
      // Established ones; a listener's queue counts connections.
      if (state !== '01' || !(local.endsWith(`:${hex}`) || remote.endsWith(`:${hex}`))) continue;
      for (const queue of queues.split(':')) bytes += Number.parseInt(queue, 16);
    }
  }
  return bytes;
}

/** The shortest line as rsyslog sends it on: its header and the text. */
const LINE_BYTES = 60;
/** What rsyslog may have written to a connection whose other end is gone, before it heard of that. */
const UNHEARD_BYTES = 64 * 1024;
/** From the look at the counters to the end of the process, and what the collector's batches linger. */
const WINDOW_MS = 100;

/** Lines that the lives that were ended had received when they were looked at. */
let receivedBefore = 0;

/**
 * Kills it; returns how many of rsyslog's lines may have been on their way just then. On a machine that
 * is so busy that the look itself takes long, what came meanwhile can't be told from the rate before:
 * it may be all that nobody had received yet.
 */
async function killInFlight(weir: WeirProcess): Promise<number> {
  const before = await syslogCounts(weir);
  const from = performance.now();
  const counts = await syslogCounts(weir);
  const perMs = (counts.received - before.received) / (performance.now() - from);
  // Of the process's own knowledge nothing is left out, whatever its age.
  expect(outcomes(counts)).toBe(counts.received);
  const queued = queuedBytes(weir.syslogPort);
  const given = progress.toRsyslog;
  await weir.kill();
  // What came meanwhile, taken from the kernel's buffers or put into them.
  const tookMs = performance.now() - from;
  const taken = perMs * (tookMs + WINDOW_MS);
  const put = progress.toRsyslog - given;
  receivedBefore += counts.received;
  const unknown = tookMs > WINDOW_MS ? progress.toRsyslog - receivedBefore : 0;
  const onTheWay = (queued + UNHEARD_BYTES) / LINE_BYTES + taken + put;
  return counts.inFlight + Math.max(onTheWay, unknown);
}

/** Lines that lie behind the positions which the collector of files has kept: it reads them (again). */
function linesNotKept(weir: WeirProcess, folder: string): number {
  const kept = path.join(weir.data, 'collectors', 'files.json');
  // None are kept in the first second.
  const { files } = (
    fs.existsSync(kept) ? JSON.parse(fs.readFileSync(kept, 'utf8')) : { files: [] }
  ) as { files: { key: string; position: number }[] };
  const positions = new Map(files.map(({ key, position }) => [key, position]));
  let lines = 0;
  for (const name of fs.readdirSync(folder)) {
    const file = path.join(folder, name);
    const { dev, ino } = fs.statSync(file);
    const rest = fs.readFileSync(file).subarray(positions.get(`${dev}:${ino}`) ?? 0);
    for (const byte of rest) if (byte === 0x0a) lines++;
  }
  return lines;
}

describeWithPeers(['elasticsearch', 'rsyslog', 'linux'], 'acceptance', () => {
  let elasticsearch: SearchServer;
  let weir: WeirProcess;
  let rsyslog: Rsyslog;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-acceptance-'));

  beforeAll(async () => {
    elasticsearch = await startElasticsearch();
    weir = await WeirProcess.start({
      settings: [
        `collectors.files.paths=${folder}/*`,
        'collectors.files.acks=all',
        'collectors.http.acks=all',
        'log.to.topic=false',
      ],
      env: { WEIR_ELASTICSEARCH_URL: elasticsearch.url },
    });
    rsyslog = await startRsyslog({ module: 'omfwd', port: weir.syslogPort, protocol: 'tcp' });
  }, 240_000);

  afterAll(async () => {
    await rsyslog?.stop();
    await weir?.stop();
    await elasticsearch?.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  test(
    'nothing acknowledged is lost, and every record of the log is in Elasticsearch once',
    async () => {
      let mayBeLost = 0;
      let repeatedByFiles = 0;
      const kills = (async () => {
        for (let kill = 1; kill <= KILLS; kill++) {
          while (progress.sent < (LINES * kill) / (KILLS + 1)) await pause(5);
          mayBeLost += await killInFlight(weir);
          repeatedByFiles += linesNotKept(weir, folder);
          await pause(200);
          await weir.restart();
        }
      })();
      const outage = (async () => {
        while (progress.sent < LINES / 2) await pause(5);
        await elasticsearch.kill();
        await pause(1000);
        await elasticsearch.restart();
      })();
      const [repeatedByHttp, transport] = await Promise.all([
        sendHttp(weir),
        logWinston(weir),
        writeFile(folder),
        sendRsyslog(rsyslog),
        kills,
        outage,
      ]);

      // Settled: every reliable line is there and rsyslog has nothing more to say.
      const log = await LogContents.open(weir);
      await log.settle(8000);

      expect(missing(log, 'http')).toBe(0);
      expect(missing(log, 'file')).toBe(0);
      expect(transport.stats().dropped).toBe(0);
      expect(missing(log, 'winston')).toBe(0);
      expect(twice(log, 'http')).toBeLessThanOrEqual(repeatedByHttp);
      expect(twice(log, 'file')).toBeLessThanOrEqual(repeatedByFiles);
      expect(twice(log, 'winston')).toBeLessThanOrEqual(transport.stats().retried);
      // acks=0: what is missing was in the sockets and buffers of a process that was killed.
      const lost = missing(log, 'rsyslog');
      process.stdout.write(
        `acceptance: ${LINES} lines, ${log.records} records; twice: http ${twice(log, 'http')} of ` +
          `${repeatedByHttp} repeated, file ${twice(log, 'file')} of ${repeatedByFiles} read again, ` +
          `winston ${twice(log, 'winston')} of ${transport.stats().retried} retried; rsyslog lost ${lost} of ${Math.round(mayBeLost)} that ` +
          `were on their way at ${KILLS} kills\n`,
      );
      expect(lost).toBeLessThanOrEqual(mayBeLost);
      // In the last life, which nobody ended, every line that came in has its outcome.
      const last = await syslogCounts(weir);
      expect(last.inFlight).toBe(0);
      expect(last.received).toBeGreaterThan(0);
      expect(outcomes(last)).toBe(last.received);

      const count = async (): Promise<number> => {
        await elasticsearch.call('POST', '/logs-weir-default/_refresh', undefined, true);
        const answer = await elasticsearch.call(
          'GET',
          '/logs-weir-default/_count',
          undefined,
          true,
        );
        return answer.status === 200 ? (answer.body.count as number) : 0;
      };
      const until = performance.now() + 120_000;
      while ((await count()) < log.records && performance.now() < until) await pause(500);
      await pause(2000);
      await log.settle(1000);
      expect(await count()).toBe(log.records);
      expect((await differences(log, elasticsearch)).slice(0, 10)).toEqual([]);
      log.close();
    },
    TIMEOUT_MS,
  );
});
