/**
 * The HTTP door of the appliance, on the main thread: page, API, `/metrics`, health, and whatever
 * plugins (ingest) are registered. Every limit that a slow or greedy client could reach is set
 * here: time to send a request, idle time, header and body size, connections.
 *
 * | path | answer |
 * |---|---|
 * | `/` | the page |
 * | `/healthz` | 200 while the process serves |
 * | `/readyz` | 200 when every essential role works, else 503 with the reasons |
 * | `/metrics` | Prometheus text, gzip when asked for |
 * | `/metrics/appliance` | the same without the brokers |
 * | `/metrics/broker/ID` | the same of one broker; 503 while it is down |
 * | `/api/v1/status` | `ApplianceStatus` |
 */
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Clock } from '../base/clock.ts';
import { BugError, codeOf, FatalError, OperatingError, reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { metric } from '../observe/catalogue.ts';
import { LatencyHistogram } from '../observe/latency.ts';
import type { MetricsRegistry } from '../observe/registry.ts';
import { Access } from './access.ts';
import { METRICS_CONTENT_TYPE, type MetricsPage } from './metrics-page.ts';
import { pageHtml, pagePolicy } from './page.ts';
import type { ApplianceStatus } from './status.ts';

/** Of routes that set no limit of their own: none of them takes a body. */
const BODY_BYTES_MAX = 65_536;
const HEADER_BYTES_MAX = 16_384;
/** Connections without any traffic are closed after this. */
const IDLE_MS = 75_000;
/** How often requests that arrive too slowly are looked for. */
const LATE_CHECK_MS = 5_000;
/** Requests under way at `stop` may take this long. */
const FINISH_MS = 5_000;

export interface ConsoleOptions {
  readonly host: string;
  readonly port: number;
  readonly token: string | null;
  readonly connectionsMax: number;
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: MetricsRegistry;
  readonly metrics: MetricsPage;
  /** Parts of it: `appliance`, `broker/0` … */
  readonly metricsParts?: ReadonlyMap<string, MetricsPage>;
  readonly status: () => Promise<ApplianceStatus>;
  /** Why the appliance is not ready; empty when it is. */
  readonly notReady: () => Promise<readonly string[]>;
  /** Adds further routes. */
  readonly plugins: readonly ((server: FastifyInstance) => Promise<void>)[];
}

export class ConsoleServer {
  readonly #options: ConsoleOptions;
  readonly #server: FastifyInstance;
  readonly #access: Access;
  readonly #requests = new Map<string, RouteCounts>();
  #connectionsDropped = 0;
  #refused = 0;
  #stopped: Promise<void> | null = null;

  constructor(options: ConsoleOptions) {
    this.#options = options;
    this.#access = new Access(options.token);
    this.#server = Fastify({
      logger: false,
      schemaController: { compilersFactory: noSchemas },
      bodyLimit: BODY_BYTES_MAX,
      requestTimeout: options.requestTimeoutMs,
      connectionTimeout: IDLE_MS,
      keepAliveTimeout: IDLE_MS,
      forceCloseConnections: 'idle',
      trustProxy: false,
      http: {
        maxHeaderSize: HEADER_BYTES_MAX,
        headersTimeout: options.requestTimeoutMs,
        connectionsCheckingInterval: Math.min(options.requestTimeoutMs, LATE_CHECK_MS),
      },
    });
    this.#server.server.maxConnections = options.connectionsMax;
    this.#server.server.on('drop', () => {
      this.#connectionsDropped += 1;
    });
    this.#guard();
    this.#count();
    this.#routes();
    this.#register(options.registry);
  }

  /** Resolves to the port. Rejects with a FatalError that says what to do when it is taken. */
  async start(): Promise<number> {
    const { host, port, plugins } = this.#options;
    for (const plugin of plugins) await this.#server.register(plugin);
    try {
      await this.#server.listen({ host, port });
    } catch (error) {
      throw listenError(error, host, port);
    }
    const address = this.#server.server.address();
    return typeof address === 'object' && address !== null ? address.port : port;
  }

  /** Takes no more requests, lets those under way finish for a few seconds. Idempotent. */
  stop(): Promise<void> {
    this.#stopped ??= this.#close();
    return this.#stopped;
  }

  async #close(): Promise<void> {
    const cut = this.#options.clock.after(FINISH_MS, () => {
      this.#server.server.closeAllConnections();
    });
    await this.#server.close();
    cut.cancel();
  }

  #guard(): void {
    this.#server.addHook('onRequest', async (request, reply) => {
      const path = request.routeOptions.url ?? request.url;
      const refusal = this.#access.refusal(
        request.method,
        path,
        request.headers,
        request.socket.remoteAddress ?? '',
      );
      if (refusal === null) return;
      this.#refused += 1;
      if (refusal.status === 401) reply.header('www-authenticate', 'Bearer');
      await reply.code(refusal.status).send(errorBody(refusal.code, refusal.message));
    });
    this.#server.setNotFoundHandler(async (request, reply) => {
      const message = `nothing is served under ${request.method} ${request.url.slice(0, 200)}`;
      await reply.code(404).send(errorBody('not-found', message));
    });
    this.#server.setErrorHandler(async (error, request, reply) =>
      this.#failed(error, request, reply),
    );
  }

  async #failed(error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const status = statusOf(error);
    const operating = error instanceof OperatingError;
    if (status < 500 || operating) {
      const code = codeOf(error) || 'bad-request';
      await reply.code(status).send(errorBody(code, reasonOf(error)));
      return;
    }
    this.#options.logger.error('HTTP request failed', {
      'url.path': request.routeOptions.url,
      'http.request.method': request.method,
      'error.stack_trace': error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    await reply.code(500).send(errorBody('internal', 'the request failed; the log says why'));
  }

  #routes(): void {
    const { metrics, metricsParts, status, notReady } = this.#options;
    this.#server.get('/', async (_request, reply) =>
      reply
        .header('content-security-policy', pagePolicy)
        .header('x-content-type-options', 'nosniff')
        .header('referrer-policy', 'no-referrer')
        .type('text/html; charset=utf-8')
        .send(pageHtml),
    );
    this.#server.get('/healthz', async () => ({ status: 'ok' }));
    this.#server.get('/readyz', async (_request, reply) => {
      const reasons = await notReady();
      const ready = reasons.length === 0;
      return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready', reasons });
    });
    this.#server.get('/metrics', (request, reply) => exposition(metrics, request, reply));
    this.#server.get('/metrics/*', async (request, reply) => {
      const { '*': part } = request.params as { '*': string };
      const page = metricsParts?.get(part);
      if (page === undefined) return reply.callNotFound();
      return exposition(page, request, reply);
    });
    this.#server.get('/api/v1/status', async () => status());
  }

  #count(): void {
    this.#server.addHook('onResponse', async (request, reply) => {
      // The route's pattern, never the path: paths are the sender's to invent.
      const route = request.routeOptions.url ?? '(none)';
      const key = `${request.method} ${route}`;
      let counts = this.#requests.get(key);
      if (counts === undefined) {
        counts = {
          method: request.method,
          route,
          statuses: new Map(),
          latency: new LatencyHistogram(),
        };
        this.#requests.set(key, counts);
      }
      const status = String(reply.statusCode);
      counts.statuses.set(status, (counts.statuses.get(status) ?? 0) + 1);
      counts.latency.record(reply.elapsedTime);
    });
  }

  #register(registry: MetricsRegistry): void {
    registry.family(metric('weir_http_requests_total'), (emit) => {
      for (const { method, route, statuses } of this.#requests.values()) {
        for (const [status, count] of statuses) emit(count, method, route, status);
      }
    });
    registry.histogram(metric('weir_http_request_seconds'), (emit) => {
      for (const { method, route, latency } of this.#requests.values())
        emit(latency, method, route);
    });
    registry.family(metric('weir_http_refused_total'), (emit) => emit(this.#refused));
    registry.family(metric('weir_http_connections_dropped_total'), (emit) => {
      emit(this.#connectionsDropped);
    });
    registry.family(metric('weir_metrics_duplicate_series_total'), (emit) => {
      emit(this.#options.metrics.duplicates);
    });
    registry.family(metric('weir_metrics_source_failures_total'), (emit) => {
      emit(this.#options.metrics.failures);
    });
  }
}

async function exposition(
  page: MetricsPage,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const zips = acceptsGzip(request.headers['accept-encoding']);
  const body = zips ? await page.zipped() : await page.text();
  reply.type(METRICS_CONTENT_TYPE).header('vary', 'accept-encoding');
  if (zips) reply.header('content-encoding', 'gzip');
  return reply.send(body);
}

/** No route has a schema; fastify's own compilers of them are a megabyte of code. */
const noCompiler = (): never => {
  throw new BugError('routes of the console have no schemas');
};
const noSchemas = { buildValidator: () => noCompiler, buildSerializer: () => noCompiler };

interface RouteCounts {
  readonly method: string;
  readonly route: string;
  readonly statuses: Map<string, number>;
  readonly latency: LatencyHistogram;
}

/** The form of every error that the API answers. */
const errorBody = (code: string, message: string): object => ({ error: { code, message } });

function statusOf(error: unknown): number {
  const status =
    error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : Number.NaN;
  if (status >= 400 && status < 600) return status;
  return error instanceof OperatingError ? 503 : 500;
}

function acceptsGzip(header: string | string[] | undefined): boolean {
  const text = Array.isArray(header) ? header.join(',') : (header ?? '');
  return /(?:^|,)\s*(?:gzip|\*)\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[\d.]+)?\s*(?:,|$)/i.test(text);
}

function listenError(error: unknown, host: string, port: number): Error {
  const code = codeOf(error);
  if (code === 'EADDRINUSE') {
    return new FatalError(
      `port ${port} of ${host} (console) is taken by another program; stop it, or choose another port: --set console.port=${port + 1}`,
    );
  }
  if (code === 'EACCES') {
    return new FatalError(
      `port ${port} of ${host} (console) may not be used by this user; choose one above 1023: --set console.port=8080`,
    );
  }
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new FatalError(`console.host: ${host} is no address of this machine (${code})`);
  }
  return error instanceof Error ? error : new Error(String(error));
}
