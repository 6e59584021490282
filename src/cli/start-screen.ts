/** What `weir up` prints once it serves: where things are, and the three commands of the first minute. */
import type { Settings } from '../config/settings.ts';
import { consoleUrl, endpointsOf } from '../console/endpoints.ts';
import type { Endpoint } from '../console/status.ts';

export interface ScreenOptions {
  readonly settings: Settings;
  /** The file that was read, if any. */
  readonly configFile: string | null;
  readonly warnings: readonly string[];
  readonly startedInMs: number;
}

/** Never longer than a small terminal; no colours, so that it can be piped and copied. */
export function startScreen({
  settings,
  configFile,
  warnings,
  startedInMs,
}: ScreenOptions): string {
  const { version, roles, values } = settings;
  const seconds = (startedInMs / 1_000).toFixed(2);
  const rows: [string, string, string][] = endpointsOf(settings).flatMap(rowsOf);
  foldersOf(settings).forEach((folder, i) => {
    const note = i === 0 && configFile !== null ? `configuration: ${configFile}` : '';
    rows.push([i === 0 ? 'Data' : '', folder, note]);
  });
  const parts = roles.map((role) => (role === 'broker' ? brokersText(settings) : role));
  const lines = [`Weir ${version} is up (${seconds} s): ${parts.join(', ')}`, '', ...aligned(rows)];
  const commands: [string, string, string][] = [];
  const url = consoleUrl(settings);
  if (roles.includes('console') && values['collectors.http.enabled']) {
    commands.push([
      'Send a log',
      `curl -d '{"message":"hello"}' ${url}/ingest${token(settings)}`,
      '',
    ]);
  }
  commands.push(['Read it back', ...readingCommands(settings)]);
  if (roles.includes('console')) commands.push(['Scrape metrics', `curl ${url}/metrics`, '']);
  lines.push('', ...aligned(commands));
  if (warnings.length > 0) lines.push('', ...warnings.map((warning) => `  ! ${warning}`));
  return `${lines.join('\n')}\n\n`;
}

/** How to read the log with our command and with kcat, and who they have to say they are. */
function readingCommands(settings: Settings): [string, string] {
  const { bootstrap, brokers, interBroker, dataDir, values } = settings;
  const tailAt = (at: string): string =>
    `npx weir tail${at === '127.0.0.1:9092' ? '' : ` --bootstrap-server ${at}`}`;
  let [address = ''] = bootstrap;
  const tail = tailAt(address);
  if (values['engine.kafka.bootstrap'].length > 0) {
    const isPlain = (values['engine.kafka.security.protocol'] ?? 'PLAINTEXT') === 'PLAINTEXT';
    if (!isPlain) return [`${tail} --command-config FILE`, ''];
  } else if (brokers.some((broker) => broker.address !== broker.clients)) {
    // `HOST:PORT (PROTOCOL)` where that is not plain text.
    const [clients = '', protocol] = brokers[0]!.clients.split(' ');
    const isSecret = interBroker?.values['sasl.mechanism.inter.broker.protocol'] === 'WEIR-SECRET';
    // Where clients have to say who they are, the command is a part of the appliance, if it can be.
    if (protocol !== undefined && isSecret && !interBroker.protocol.endsWith('SSL')) {
      return [`${tail} --data ${quoted(dataDir)}`, ''];
    }
    if (protocol !== undefined) return [`${tailAt(clients)} --command-config FILE`, ''];
    address = clients;
  }
  return [tailAt(address), `or: kcat -b ${address} -t ${values['collectors.http.topic']}`];
}

/** For a shell, where it would take the path for something else. */
const quoted = (path: string): string =>
  /^[\w./~+-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;

/** `broker`, `3 brokers`, or `broker 1 of 3`. */
function brokersText({ brokers }: Settings): string {
  const here = brokers.filter((broker) => broker.here);
  if (here.length === brokers.length)
    return here.length === 1 ? 'broker' : `${here.length} brokers`;
  return `broker ${here.map(({ id }) => id).join(', ')} of ${brokers.length}`;
}

/** The appliance's folder, and those of brokers that are elsewhere. */
function foldersOf({ dataDir, brokers }: Settings): string[] {
  const elsewhere = brokers
    .filter(({ here }) => here)
    .flatMap(({ dirs }) => dirs)
    .filter((folder) => !folder.startsWith(`${dataDir}/`));
  return [dataDir, ...elsewhere];
}

/** One bootstrap server a line: each of them is enough, and each may be the one that is down. */
function rowsOf({ what, where, note }: Endpoint): [string, string, string][] {
  if (what === 'Kafka') {
    return where
      .split(',')
      .map((address, i) => (i === 0 ? [what, address, note] : ['', address, '']));
  }
  const short = where.length > SECOND_COLUMN_MAX;
  return [[what, short ? `${where.slice(0, SECOND_COLUMN_MAX - 1)}…` : where, note]];
}

const token = ({ values }: Settings): string =>
  values['console.token'] === null ? '' : ` -H 'Authorization: Bearer TOKEN'`;

/** Columns that a very long value pushes aside rather than widens. */
const SECOND_COLUMN_MAX = 40;

function aligned(rows: readonly (readonly [string, string, string])[]): string[] {
  const first = Math.max(...rows.map(([name]) => name.length));
  const second = Math.min(SECOND_COLUMN_MAX, Math.max(...rows.map(([, text]) => text.length)));
  return rows.map(([name, text, note]) =>
    `  ${name.padEnd(first)}  ${text.padEnd(second)}  ${note}`.trimEnd(),
  );
}
