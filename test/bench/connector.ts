/**
 * `connector`: documents a second from the log into Elasticsearch, beside a bare loop that posts
 * the same documents to `_bulk` out of bodies that were built before.
 *
 * Both sides send as many bytes and documents a request, as many requests at once, ids of the same
 * shape, into the same data stream, each round into a backing index of its own that starts empty.
 * Both are measured over the same part of a round: its first part (starting, joining the group, code that is
 * not yet compiled) and its last one (requests that are not full) count on neither side.
 *
 * A round is long: over five seconds the server seemed to need a twelfth more for one side, over half a
 * minute it needs the same for both. What it does in steps (it merges whenever there are so many
 * segments of a size) is the likely reason; merges were not counted.
 *
 * A young Elasticsearch uses twice the processor time a document of one whose code is compiled, so
 * whoever came later would win: it takes some millions of documents before the first round.
 */
import http from 'node:http';
import { Client } from '../../src/client/client.ts';
import { Producer } from '../../src/client/producer.ts';
import { applianceKeys } from '../../src/config/appliance-keys.ts';
import { indexTemplate } from '../../src/connectors/elasticsearch/index-template.ts';
import { startElasticsearch } from '../peers/elasticsearch.ts';
import type { SearchServer } from '../peers/search-server.ts';
import { WeirProcess } from '../support/weir-process.ts';
import { compare, cpuSeconds, type Figures } from './measure.ts';

const DOCUMENTS = Number(process.env['WEIR_BENCH_DOCUMENTS'] ?? 1_500_000);
/** The part of a round that is measured. */
const FROM = Math.floor(DOCUMENTS * 0.3);
const TO = Math.floor(DOCUMENTS * 0.95);
/** Rounds of the bare loop before the first one; the server's cost a document stays the same then. */
const WARM_UP_ROUNDS = 4;
const POLL_MS = 50;

const defaultOf = (name: string): number =>
  Number(applianceKeys.find((key) => key.name === `connectors.elasticsearch.${name}`)!.default);
const BODY_BYTES = defaultOf('request.max.bytes');
const BODY_DOCUMENTS = defaultOf('request.max.records');
const IN_FLIGHT = defaultOf('in.flight.max');

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

const document = (n: number): string =>
  `{"@timestamp":"2026-01-01T00:00:${String(n % 60).padStart(2, '0')}.000Z","message":"GET /api/v1/items/${(n * 7919) % 100_003} ${n % 7 ? 200 : 404} in ${(n * 31) % 977} ms by user ${(n * 104_729) % 1_000_003}","log":{"level":"${n % 9 ? 'info' : 'warn'}"},"service":{"name":"checkout"},"host":{"name":"web-${n % 17}"}}`;

/** As long as the id of a topic. */
const ID_PREFIX = 'bare-loop-bare-loop-00';

function makeBodies(): Buffer[] {
  const out: Buffer[] = [];
  let text = '';
  let count = 0;
  for (let n = 0; n < DOCUMENTS; n++) {
    const item = `{"create":{"_id":"${ID_PREFIX}-0-0-${n}"}}\n${document(n)}\n`;
    if (count === BODY_DOCUMENTS || text.length + item.length > BODY_BYTES) {
      out.push(Buffer.from(text));
      text = '';
      count = 0;
    }
    text += item;
    count++;
  }
  out.push(Buffer.from(text));
  return out;
}

const agent = new http.Agent({ keepAlive: true, maxSockets: IN_FLIGHT });

function post(url: string, stream: string, body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      `${url}/${stream}/_bulk?filter_path=errors,items.*.status,items.*.error`,
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
async function indexed(es: SearchServer, stream: string): Promise<number> {
  const answer = await es.call('GET', `/${stream}/_stats/indexing`, undefined, true);
  return Number(answer.body?._all?.primaries?.indexing?.index_total ?? 0);
}

/** CPU seconds that the server has used. */
async function serverSeconds(es: SearchServer): Promise<number> {
  const { body } = await es.call('GET', '/_nodes/stats/process');
  const [node] = Object.values(body.nodes) as { process: { cpu: { total_in_millis: number } } }[];
  return node!.process.cpu.total_in_millis / 1_000;
}

let streams = 0;

/**
 * The name of a data stream that does not exist yet, with its template. A rollover of the one before
 * would not do: what a new group ships again is looked for in the earlier indices, and found.
 */
async function freshStream(es: SearchServer): Promise<string> {
  const stream = `logs-weir-bench${streams++}`;
  await es.call('PUT', `/_index_template/weir-${stream}`, indexTemplate(stream, es.flavour));
  return stream;
}

/** What happens between the documents FROM and TO of this round. */
async function measured(
  es: SearchServer,
  stream: string,
  ownSeconds: () => number,
): Promise<Figures> {
  const until = async (count: number): Promise<[number, number, number, number]> => {
    for (;;) {
      const done = await indexed(es, stream);
      if (done >= count) return [done, performance.now(), ownSeconds(), await serverSeconds(es)];
      await pause(POLL_MS);
    }
  };
  const [first, begin, own, server] = await until(FROM);
  const [last, end, ownEnd, serverEnd] = await until(TO);
  await until(DOCUMENTS);
  const millions = (last - first) / 1e6;
  return {
    'documents/s': (last - first) / ((end - begin) / 1000),
    'CPU-s per million': (ownEnd - own) / millions,
    'server CPU-s per million': (serverEnd - server) / millions,
    // Where every processor is busy this decides, and other work on the machine does not touch it.
    'CPU-s per million, both': (ownEnd - own + serverEnd - server) / millions,
  };
}

async function bare(es: SearchServer, bodies: readonly Buffer[]): Promise<Figures> {
  const stream = await freshStream(es);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < bodies.length) await post(es.url, stream, bodies[next++]!);
  };
  const [figures] = await Promise.all([
    measured(es, stream, () => cpuSeconds(process.pid)),
    ...Array.from({ length: IN_FLIGHT }, worker),
  ]);
  return figures;
}

/** A Weir that holds the documents, and ships them once more at each start: each is another group's. */
class Shipper {
  readonly #weir: WeirProcess;
  readonly #env: Record<string, string>;
  readonly #settings: string[];
  /** Settings that are the same in every round; those of the round stand behind. */
  readonly #common: number;

  private constructor(weir: WeirProcess, env: Record<string, string>, settings: string[]) {
    this.#weir = weir;
    this.#env = env;
    this.#settings = settings;
    this.#common = settings.length;
  }

  /** Takes the documents in, and ends. */
  static async create(): Promise<Shipper> {
    const settings = ['collectors.files.enabled=false', 'collectors.scrape.enabled=false'];
    settings.push('collectors.syslog.enabled=false', 'log.to.topic=false');
    const env: Record<string, string> = {};
    const weir = await WeirProcess.start({ settings, env });
    try {
      await fill(weir.bootstrap);
      await weir.halt();
    } catch (error) {
      await weir.stop();
      throw error;
    }
    return new Shipper(weir, env, settings);
  }

  async round(es: SearchServer): Promise<Figures> {
    const stream = await freshStream(es);
    this.#env['WEIR_ELASTICSEARCH_URL'] = es.url;
    const own = 'connectors.elasticsearch';
    const round = [`${own}.group=${stream}`, `${own}.index=${stream}`];
    this.#settings.splice(this.#common, Number.POSITIVE_INFINITY, ...round);
    await this.#weir.restart();
    try {
      return await measured(es, stream, () => cpuSeconds(this.#weir.pid));
    } finally {
      await this.#weir.halt();
    }
  }

  stop(): Promise<void> {
    return this.#weir.stop();
  }
}

async function fill(bootstrap: string): Promise<void> {
  let failure = null as Error | null;
  const client = new Client({ bootstrap, clientId: 'bench' });
  const producer = new Producer(client, {
    acks: 1,
    compression: 'lz4',
    batchBytes: 512 * 1024,
    delivery: ({ error }) => {
      failure ??= error;
    },
  });
  for (let n = 0; n < DOCUMENTS; n++) {
    const bytes = Buffer.from(document(n));
    while (!producer.append('logs', bytes)) await producer.drained();
  }
  await producer.flush();
  await producer.close();
  client.close();
  if (failure !== null) throw failure;
}

export async function connector(count: number): Promise<void> {
  const bodies = makeBodies();
  const shipper = await Shipper.create();
  const es = await startElasticsearch({ heap: '2g' });
  try {
    for (let round = 0; round < WARM_UP_ROUNDS; round++) await bare(es, bodies);
    await compare(
      `${DOCUMENTS} documents into Elasticsearch`,
      { name: 'Weir (whole process)', round: () => shipper.round(es) },
      { name: 'bare _bulk loop', round: () => bare(es, bodies) },
      count,
    );
  } finally {
    agent.destroy();
    await es.stop();
    await shipper.stop();
  }
}
