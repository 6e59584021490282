/**
 * What Elasticsearch and OpenSearch share as peers: the integration-test distribution (the real
 * server with few modules), unpacked once in a folder that another user may read, because neither
 * runs as root; configuration, data and logs belong to each start.
 */
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { fetchJava, mavenZip } from './java.ts';
import {
  containersAnswer,
  freePort,
  mustRun,
  PeerProcess,
  placed,
  runRoot,
  startContainer,
  temporaryDirectory,
} from './peer.ts';

/** Nobody. */
const SERVER_UID = 65_534;
const START_TIMEOUT_MS = 150_000;
const JAVA_MIN = 21;

export interface SearchServerOptions {
  readonly port?: number;
  /** Added to (and stronger than) the server's settings. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /** Java's heap, 512m unless told. */
  readonly heap?: string;
  /** Files of the configuration folder, by name. A server with such is always a local process. */
  readonly files?: Readonly<Record<string, string>>;
  /** How the test itself reaches a server with security. */
  readonly access?: SearchAccess;
}

export interface SearchAccess {
  readonly user: string;
  readonly password: string;
  /** With it the server speaks TLS. */
  readonly ca?: string;
}

export interface SearchServer {
  /** `http://127.0.0.1:port`, or https */
  readonly url: string;
  readonly flavour: 'elasticsearch' | 'opensearch';
  /** Ends it and removes its data. */
  stop(): Promise<void>;
  /** Ends it as a request to stop would, and keeps its data. */
  halt(): Promise<void>;
  /** SIGKILL; keeps its data. */
  kill(): Promise<void>;
  /** Same port, same data. */
  restart(): Promise<void>;
  /** An HTTP request with a JSON (or NDJSON) body; any status but 2xx is an error unless `any`. */
  call(method: string, path: string, body?: unknown, any?: boolean): Promise<SearchAnswer>;
}

export interface SearchAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: the shape is the server's.
  readonly body: any;
}

export interface Distribution {
  readonly flavour: 'elasticsearch' | 'opensearch';
  /** Environment variable that names a server that runs already. */
  readonly variable: string;
  readonly version: string;
  readonly artefact: string;
  readonly image: string;
  /** Prefix of the environment variables that its start script reads. */
  readonly prefix: string;
  readonly settings: Readonly<Record<string, string>>;
}

export async function startSearchServer(
  distribution: Distribution,
  options: SearchServerOptions,
): Promise<SearchServer> {
  const given = process.env[distribution.variable];
  if (given !== undefined && given !== '' && options.settings === undefined) {
    return remote(distribution, given);
  }
  const port = options.port ?? (await freePort());
  const settings: Record<string, string> = {
    'discovery.type': 'single-node',
    'cluster.routing.allocation.disk.threshold_enabled': 'false',
    ...distribution.settings,
  };
  for (const [key, value] of Object.entries(options.settings ?? {})) settings[key] = String(value);
  const { access } = options;
  const url = `${access?.ca === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
  const ready = (): Promise<boolean> => isHealthy(url, access);
  const peer =
    options.files === undefined && (await containersAnswer())
      ? await startContainer({
          image: distribution.image,
          env: {
            ...settings,
            [`${distribution.prefix}_JAVA_OPTS`]: heapOptions(options),
            DISABLE_INSTALL_DEMO_CONFIG: 'true',
          },
          ports: new Map([[9200, port]]),
          ready,
          startTimeoutMs: START_TIMEOUT_MS,
        })
      : await startLocal(distribution, options, settings, port, ready);
  return {
    url,
    flavour: distribution.flavour,
    stop: () => peer.stop(),
    halt: () => peer.halt(),
    kill: () => peer.kill(),
    restart: () => peer.restart(),
    call: (method, where, body, any) => call(url, access, method, where, body, any),
  };
}

const heapOptions = (options: SearchServerOptions): string => {
  const heap = options.heap ?? '512m';
  return `-Xms${heap} -Xmx${heap}`;
};

function remote(distribution: Distribution, url: string): SearchServer {
  const impossible = (): Promise<void> =>
    Promise.reject(new Error(`the server in ${distribution.variable} is not ours to end`));
  return {
    url,
    flavour: distribution.flavour,
    stop: () => Promise.resolve(),
    halt: impossible,
    kill: impossible,
    restart: impossible,
    call: (method, where, body, any) => call(url, undefined, method, where, body, any),
  };
}

async function startLocal(
  distribution: Distribution,
  options: SearchServerOptions,
  settings: Readonly<Record<string, string>>,
  port: number,
  ready: () => Promise<boolean>,
): Promise<PeerProcess> {
  const home = await readableHome(distribution);
  const java = await fetchJava(JAVA_MIN, path.join(runRoot, 'java'));
  const directory = temporaryDirectory(distribution.flavour);
  const folders = ['config', 'data', 'logs', 'tmp'].map((name) => path.join(directory, name));
  const [config, data, logs, temporary] = folders as [string, string, string, string];
  for (const folder of [data, logs, temporary]) fs.mkdirSync(folder);
  fs.cpSync(path.join(home, 'config'), config, { recursive: true });
  fs.writeFileSync(path.join(config, 'jvm.options'), jvmOptions(config, java.home));
  for (const [name, text] of Object.entries(options.files ?? {})) {
    fs.writeFileSync(path.join(config, name), text);
  }
  const all = {
    ...settings,
    'http.port': String(port),
    'transport.port': String(await freePort()),
    'network.host': '127.0.0.1',
    'path.data': data,
    'path.logs': logs,
  };
  const root = process.getuid?.() === 0;
  if (root) await mustRun('chown', ['-R', `${SERVER_UID}:${SERVER_UID}`, directory]);
  return PeerProcess.start({
    name: distribution.flavour,
    command: path.join(home, 'bin', distribution.flavour),
    args: Object.entries(all).map(([key, value]) => `-E${key}=${value}`),
    cwd: directory,
    env: {
      [`${distribution.prefix}_JAVA_HOME`]: java.home,
      [`${distribution.prefix}_JAVA_OPTS`]: heapOptions(options),
      [`${distribution.prefix}_PATH_CONF`]: config,
      [`${distribution.prefix}_TMPDIR`]: temporary,
    },
    ...(root ? { uid: SERVER_UID } : {}),
    ready,
    startTimeoutMs: START_TIMEOUT_MS,
    data: [directory],
  });
}

/** The shipped options without garbage collection logs, dumps, and modules that this Java lacks. */
function jvmOptions(config: string, javaHome: string): string {
  const release = fs.readFileSync(path.join(javaHome, 'release'), 'utf8');
  const lines = fs.readFileSync(path.join(config, 'jvm.options'), 'utf8').split('\n');
  const kept = lines.filter((line) => {
    if (/Xlog|Xloggc|PrintGC|GCLog|HeapDump|ErrorFile/.test(line)) return false;
    const module = /--add-modules=([\w.]+)/.exec(line)?.[1];
    return module === undefined || release.includes(module);
  });
  return kept.join('\n');
}

/** The unpacked distribution where any user can read it. */
async function readableHome(distribution: Distribution): Promise<string> {
  const name = `${distribution.flavour}-${distribution.version}`;
  const unpacked = path.join(await mavenZip(distribution.artefact), name);
  const target = await placed(path.join(runRoot, name), async (temporary) => {
    await mustRun('cp', ['-R', `${unpacked}/.`, temporary]);
    await mustRun('chmod', ['-R', 'a+rX', temporary]);
  });
  fs.utimesSync(target, new Date(), new Date()); // In use: not to be cleared as old.
  return target;
}

async function isHealthy(url: string, access: SearchAccess | undefined): Promise<boolean> {
  const where = '/_cluster/health?wait_for_status=yellow&timeout=1s';
  return (await call(url, access, 'GET', where, undefined, true)).status === 200;
}

async function call(
  url: string,
  access: SearchAccess | undefined,
  method: string,
  where: string,
  body?: unknown,
  any = false,
): Promise<SearchAnswer> {
  const isBulk = where.includes('_bulk');
  const options: https.RequestOptions = {
    method,
    headers: { 'content-type': isBulk ? 'application/x-ndjson' : 'application/json' },
    ...(access === undefined ? {} : { auth: `${access.user}:${access.password}` }),
    ...(access?.ca === undefined ? {} : { ca: access.ca }),
  };
  const payload = typeof body === 'string' || body === undefined ? body : JSON.stringify(body);
  const { status, text } = await send(url + where, options, payload);
  if (!any && (status < 200 || status > 299)) {
    throw new Error(`${method} ${where}: ${status} ${text}`);
  }
  let parsed: unknown = text;
  try {
    parsed = JSON.parse(text);
  } catch {
    // Not JSON: the text itself.
  }
  return { status, body: parsed };
}

function send(
  url: string,
  options: https.RequestOptions,
  payload: string | undefined,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const client = url.startsWith('https:') ? https : http;
    const request = client.request(url, options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() });
      });
    });
    request.on('error', reject);
    request.end(payload);
  });
}
