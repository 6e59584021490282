/**
 * A `_bulk` server that keeps documents by id, as a data stream does that can roll over, and does to
 * requests and items what a script says.
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

export interface BulkItem {
  readonly id: string;
  readonly source: string;
}

/** What to do with an item; the default creates it, or says 409. */
export type ItemScript = { readonly status: number; readonly type: string } | null;

/** What to do with a request. */
export type Reaction =
  | { readonly kind: 'items'; readonly item?: (item: BulkItem, index: number) => ItemScript }
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: string;
    }
  /** Breaks the connection, before or after carrying the request out. */
  | { readonly kind: 'reset'; readonly execute: boolean }
  /** Carries the request out and breaks the connection in the middle of the answer. */
  | { readonly kind: 'cut'; readonly item?: (item: BulkItem, index: number) => ItemScript }
  /** Carries the request out and answers with half of a JSON document. */
  | { readonly kind: 'truncated' }
  /** Carries the request out and leaves the last item out of the answer. */
  | { readonly kind: 'fewer' }
  /** Carries the request out and never answers. */
  | { readonly kind: 'silent' };

export type Script = (request: { readonly number: number; readonly items: BulkItem[] }) => Reaction;

const taken: Reaction = { kind: 'items' };

export class FakeServer {
  readonly documents = new Map<string, string>();
  /** Backing indices, oldest first, with the ids in each. */
  readonly indices = new Map<string, Set<string>>();
  /** Times a document with an id that exists was sent. */
  conflicts = 0;
  bulkRequests = 0;
  packedRequests = 0;
  /** Header of the last request. */
  authorization = '';
  otherRequests: string[] = [];
  script: Script = () => taken;
  /** What an index says of a document, by how often one was asked for it; null: the truth. */
  docs: ((asked: number) => object) | null = null;
  #asked = 0;
  /** Answers to everything but `_bulk`. */
  statusOfOthers = 200;
  largestBody = 0;
  readonly #server: http.Server;

  private constructor() {
    this.rollOver();
    this.#server = http.createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('error', () => {});
      request.on('end', () => this.#answer(request, response, Buffer.concat(chunks)));
    });
  }

  static async start(port = 0): Promise<FakeServer> {
    const fake = new FakeServer();
    await new Promise<void>((resolve) => fake.#server.listen(port, '127.0.0.1', resolve));
    return fake;
  }

  /** Writes go into a new index from now on. */
  rollOver(): void {
    this.indices.set(`.ds-logs-${String(this.indices.size + 1).padStart(6, '0')}`, new Set());
  }

  /** Ids that stand in more than one index. */
  get repeated(): string[] {
    const ids = [...this.indices.values()].flatMap((some) => [...some]);
    return ids.filter((id, at) => ids.indexOf(id) !== at);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }
  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: http.IncomingMessage, response: http.ServerResponse, body: Buffer): void {
    this.authorization = request.headers.authorization ?? '';
    response.setHeader('x-elastic-product', 'Elasticsearch');
    response.setHeader('content-type', 'application/json');
    if (request.method !== 'POST' || !request.url?.includes('/_bulk')) {
      this.otherRequests.push(`${request.method} ${request.url}`);
      // Like the integration-test distribution, which has no `GET /`.
      const status =
        this.statusOfOthers !== 200 ? this.statusOfOthers : request.url === '/' ? 405 : 200;
      const answer = status === 200 ? this.#tell(request.url ?? '', body) : {};
      response.writeHead(status).end(JSON.stringify(answer));
      return;
    }
    this.bulkRequests++;
    this.largestBody = Math.max(this.largestBody, body.length);
    const isPacked = request.headers['content-encoding'] === 'gzip';
    if (isPacked) this.packedRequests++;
    const items = parseBulk((isPacked ? gunzipSync(body) : body).toString());
    const reaction = this.script({ number: this.bulkRequests, items });
    if (reaction.kind === 'status') {
      response
        .writeHead(reaction.status, reaction.headers)
        .end(reaction.body ?? '{"error":"scripted"}');
      return;
    }
    if (reaction.kind === 'reset' && !reaction.execute) {
      request.socket.destroy();
      return;
    }
    const script = reaction.kind === 'items' || reaction.kind === 'cut' ? reaction.item : undefined;
    const results = items.map((item, index) => this.#create(item, script?.(item, index) ?? null));
    if (reaction.kind === 'silent') return;
    if (reaction.kind === 'reset') {
      request.socket.destroy();
      return;
    }
    if (reaction.kind === 'fewer') results.pop();
    const errors = results.some((result) => result.includes('"error"'));
    const text = `{"errors":${errors},"took":1,"items":[${results.join(',')}]}`;
    if (reaction.kind === 'truncated') response.end(text.slice(0, text.length >> 1));
    else if (reaction.kind === 'cut') {
      response.writeHead(200, { 'content-length': String(text.length) });
      response.write(text.slice(0, text.length >> 1), () => request.socket.destroy());
    } else response.end(text);
  }

  /** Which indices there are, and what one of them has. */
  #tell(url: string, body: Buffer): object {
    const { pathname } = new URL(url, this.url);
    if (pathname.endsWith('/_settings')) {
      // In no order, as the servers do.
      const born = (at: number): object => ({ settings: { index: { creation_date: `9${at}` } } });
      const indices = [...this.indices.keys()].map((name, at) => [name, born(at + 10)] as const);
      return Object.fromEntries(indices.reverse());
    }
    const index = this.indices.get(pathname.slice(1, -'/_mget'.length));
    if (index === undefined || !pathname.endsWith('/_mget')) return {};
    const { ids } = JSON.parse(body.toString()) as { ids: string[] };
    this.#asked++;
    return { docs: ids.map((id) => this.docs?.(this.#asked) ?? { found: index.has(id) }) };
  }

  #create(item: BulkItem, script: ItemScript): string {
    if (script !== null) {
      const error = JSON.stringify({ type: script.type, reason: 'scripted "status": 200' });
      return `{"create":{"status":${script.status},"error":${error}}}`;
    }
    const newest = [...this.indices.values()].at(-1)!;
    if (newest.has(item.id)) {
      this.conflicts++;
      return '{"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"exists"}}}';
    }
    newest.add(item.id);
    this.documents.set(item.id, item.source);
    return '{"create":{"status":201}}';
  }
}

/** Throws on a body that is not made of pairs of lines. */
export function parseBulk(body: string): BulkItem[] {
  if (!body.endsWith('\n')) throw new Error('a bulk body ends with a newline');
  const lines = body.slice(0, -1).split('\n');
  const items: BulkItem[] = [];
  for (let i = 0; i < lines.length; i += 2) {
    const action = JSON.parse(lines[i]!) as { create: { _id: string } };
    const source = lines[i + 1];
    if (source === undefined) throw new Error('an action without a document');
    items.push({ id: action.create._id, source });
  }
  return items;
}
