/**
 * `connector`: documents a second from the log into Elasticsearch, beside a bare loop that posts
 * the same documents to `_bulk` out of bodies that were built before.
 */
import http from 'node:http';
import { Client } from '../../src/client/client.ts';
import { Producer } from '../../src/client/producer.ts';
import { startElasticsearch } from '../peers/elasticsearch.ts';
import type { SearchServer } from '../peers/search-server.ts';
import { WeirProcess } from '../support/weir-process.ts';
import { compare, cpuSeconds, type Figures } from './measure.ts';

const DOCUMENTS = 300_000;
const BODY_BYTES = 5 * 1024 * 1024;
/** Requests under way at once; the connector's default. */
const IN_FLIGHT = 2;
const STREAM = 'logs-weir-default';

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

const document = (n: number): string =>
  `{"@timestamp":"2026-01-01T00:00:${String(n % 60).padStart(2, '0')}.000Z","message":"GET /api/v1/items/${(n * 7919) % 100_003} ${n % 7 ? 200 : 404} in ${(n * 31) % 977} ms by user ${(n * 104_729) % 1_000_003}","log":{"level":"${n % 9 ? 'info' : 'warn'}"},"service":{"name":"checkout"},"host":{"name":"web-${n % 17}"}}`;

let rounds = 0;

function bodies(): Buffer[] {
  const round = rounds++;
  const out: Buffer[] = [];
  let text = '';
  for (let n = 0; n < DOCUMENTS; n++) {
    text += `{"create":{"_id":"bare-${round}-0-${n}"}}\n${document(n)}\n`;
    if (text.length < BODY_BYTES && n < DOCUMENTS - 1) continue;
    out.push(Buffer.from(text));
    text = '';
  }
  return out;
}

const agent = new http.Agent({ keepAlive: true, maxSockets: IN_FLIGHT });

function post(url: string, body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      `${url}/${STREAM}/_bulk?filter_path=errors,items.*.status,items.*.error`,
      { method: 'POST', agent, headers: { 'content-type': 'application/x-ndjson' } },
      (answer) => {
        let text = '';
        answer.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        answer.on('end', () => {
          if ((JSON.parse(text) as { errors: boolean }).errors)
            reject(new Error(text.slice(0, 500)));
          else resolve();
        });
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

/** Documents that the data stream has taken so far. */
async function indexed(es: SearchServer): Promise<number> {
  const answer = await es.call('GET', `/${STREAM}/_stats/indexing`, undefined, true);
  return Number(answer.body?._all?.primaries?.indexing?.index_total ?? 0);
}

/** The rate between the first documents and the last one of this round. */
async function rate(es: SearchServer, before: number): Promise<number> {
  let first = 0;
  let begin = 0;
  for (;;) {
    const done = (await indexed(es)) - before;
    if (done > 0 && begin === 0) [first, begin] = [done, performance.now()];
    if (done >= DOCUMENTS) return (DOCUMENTS - first) / ((performance.now() - begin) / 1000);
    await pause(100);
  }
}

async function bare(es: SearchServer): Promise<Figures> {
  const waiting = bodies();
  const before = await indexed(es);
  const cpu = process.cpuUsage();
  const worker = async (): Promise<void> => {
    for (let body = waiting.shift(); body !== undefined; body = waiting.shift()) {
      await post(es.url, body);
    }
  };
  const [documents] = await Promise.all([
    rate(es, before),
    ...Array.from({ length: IN_FLIGHT }, worker),
  ]);
  const used = process.cpuUsage(cpu);
  return { 'documents/s': documents, 'CPU-s per million': (used.user + used.system) / DOCUMENTS };
}

async function connected(es: SearchServer): Promise<Figures> {
  const settings = ['collectors.files.enabled=false', 'collectors.scrape.enabled=false'];
  settings.push('collectors.syslog.enabled=false', 'log.to.topic=false');
  const env: Record<string, string> = {};
  const weir = await WeirProcess.start({ settings, env });
  try {
    const client = new Client({ bootstrap: weir.bootstrap, clientId: 'bench' });
    const producer = new Producer(client, { acks: 1, compression: 'lz4', batchBytes: 512 * 1024 });
    for (let n = 0; n < DOCUMENTS; n++) {
      const bytes = Buffer.from(document(n));
      while (!producer.append('logs', bytes)) await producer.drained();
    }
    await producer.flush();
    await producer.close();
    client.close();
    await weir.halt();
    env['WEIR_ELASTICSEARCH_URL'] = es.url;
    const before = await indexed(es);
    await weir.restart();
    const documents = await rate(es, before);
    return {
      'documents/s': documents,
      'CPU-s per million': cpuSeconds(weir.pid) / (DOCUMENTS / 1e6),
    };
  } finally {
    await weir.stop();
  }
}

export async function connector(count: number): Promise<void> {
  const es = await startElasticsearch({ heap: '2g' });
  try {
    await compare(
      `${DOCUMENTS} documents into Elasticsearch`,
      { name: 'Weir (whole process)', round: () => connected(es) },
      { name: 'bare _bulk loop', round: () => bare(es) },
      count,
    );
  } finally {
    agent.destroy();
    await es.stop();
  }
}
