/**
 * The one place where configuration is read: finds the file, the environment and the options, and
 * makes `Settings` of them, or says everything that is wrong at once.
 */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { codeOf, FatalError, reasonOf } from '../base/errors.ts';
import { type ApplianceValues, applianceKeys } from './appliance-keys.ts';
import { brokerKeys } from './broker-keys.ts';
import { BROKER_PREFIX, type BrokerSettings, brokersOf } from './broker-list.ts';
import { interBrokerListener } from './inter-broker-listener.ts';
import { bracketed } from './listener-text.ts';
import { type Effective, type Loaded, loadConfig } from './load.ts';
import { problemLine } from './print.ts';
import type { RoleName, Settings } from './settings.ts';
import { isSecret, type Key, type KeyValue, tableOf } from './table.ts';
import { validate } from './validate.ts';
import type { FileContent, Problem } from './yaml-file.ts';

/** Read without being asked for, when it is in the working directory. */
export const FILE_DEFAULT = 'weir.yaml';

/** Bytes that a configuration file may have. */
const FILE_BYTES_MAX = 1_048_576;

export interface Sources {
  /** `--config`; absent: `WEIR_CONFIG`, or `weir.yaml` when it exists. */
  readonly file?: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly options: readonly {
    readonly name: string;
    readonly value: string;
    readonly option: string;
  }[];
  readonly workingDirectory: string;
}

export interface Configuration extends Loaded {
  /** The file that was read, or null. */
  readonly file: string | null;
  /** Of every known key; the values of secret keys are for redaction only. */
  readonly table: ReadonlyMap<string, Key>;
  readonly brokers: readonly BrokerSettings[];
}

/** Every key that exists: the appliance's, and Kafka's behind `broker.`. */
export const configurationTable = (): ReadonlyMap<string, Key> =>
  tableOf([
    ...applianceKeys,
    ...[...brokerKeys.values()].map((key) => ({ ...key, name: `${BROKER_PREFIX}${key.name}` })),
  ]);

/** Throws a FatalError only when a file that was asked for can't be read; problems are returned. */
export async function readConfiguration(sources: Sources): Promise<Configuration> {
  const { environment, options, workingDirectory } = sources;
  const asked = sources.file ?? (environment['WEIR_CONFIG'] || undefined);
  const path = resolve(workingDirectory, asked ?? FILE_DEFAULT);
  const text = readText(path, asked !== undefined);
  let file: FileContent | null = null;
  if (text !== null) {
    // Only here: the parser is half the memory of a process that has no file.
    const { readYaml } = await import('./yaml-file.ts');
    file = readYaml(asked ?? FILE_DEFAULT, text, environment);
  }
  const table = configurationTable();
  const loaded = loadConfig({ table, file, environment, options });
  const list = brokersOf(loaded.values, workingDirectory);
  const problems = [
    ...loaded.problems,
    ...list.problems,
    ...validate(loaded.values, list.brokers),
  ].sort(byPlace);
  const { brokers } = list;
  return { ...loaded, problems, table, brokers, file: text === null ? null : path };
}

/** In the order of the file; what has no place comes last. */
function byPlace(a: Problem, b: Problem): number {
  if (a.place === null || b.place === null) {
    return Number(a.place === null) - Number(b.place === null);
  }
  return a.place.line - b.place.line || a.place.column - b.place.column;
}

function readText(path: string, required: boolean): string | null {
  try {
    const { size } = statSync(path);
    if (size > FILE_BYTES_MAX) {
      throw new FatalError(
        `configuration file ${path} has ${size} bytes; at most ${FILE_BYTES_MAX} are read`,
      );
    }
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof FatalError) throw error;
    if (codeOf(error) === 'ENOENT' && !required) return null;
    throw new FatalError(`can't read configuration file ${path}: ${reasonOf(error)}`);
  }
}

/** Throws a FatalError that lists every problem, one a line. */
export function settingsOf(
  configuration: Configuration,
  version: string,
  workingDirectory: string,
): Settings {
  const { problems } = configuration;
  if (problems.length > 0) {
    const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
    throw new FatalError(
      [`the configuration has ${count}:`, ...problems.map((p) => `  ${problemLine(p)}`)].join('\n'),
    );
  }
  const values = scrapingItself(applianceValues(configuration.values));
  const dataDir = resolve(workingDirectory, values['data.dir'][0]!);
  const external = values['engine.kafka.bootstrap'];
  const roles = (values.roles as readonly RoleName[]).filter(
    (role) => role !== 'broker' || external.length === 0,
  );
  const { brokers } = configuration;
  return {
    version,
    dataDir,
    roles,
    bootstrap: external.length > 0 ? external : brokers.map(({ address }) => address),
    secret: null,
    interBroker: brokers[0] === undefined ? null : interBrokerListener(brokers[0].given),
    values,
    brokers,
    broker: brokers[0]?.given ?? {},
  };
}

function applianceValues(values: ReadonlyMap<string, Effective>): ApplianceValues {
  const result: Record<string, KeyValue> = {};
  for (const { name } of applianceKeys) result[name] = values.get(name)?.value ?? null;
  return result as ApplianceValues;
}

/** Writes out what `self` stands for among the targets of scraping. */
export function scrapingItself(values: ApplianceValues): ApplianceValues {
  const host = values['console.host'];
  const everywhere = host === '0.0.0.0' || host === '::';
  const own = `http://${everywhere ? '127.0.0.1' : bracketed(host)}:${values['console.port']}/metrics`;
  const targets = values['collectors.scrape.targets'].map((url) => (url === 'self' ? own : url));
  return { ...values, 'collectors.scrape.targets': targets };
}

/** For the log's redactor. */
export function* secretsOf(
  configuration: Configuration,
): Generator<readonly [name: string, value: string | null]> {
  for (const { key, value } of configuration.values.values()) {
    if (isSecret(key)) yield [key.name, typeof value === 'string' ? value : null];
  }
}
