/**
 * Which settings a resource may have, refused in Kafka's words: tools and people search for them.
 * The settings of a resource are checked together, as they would be after a change.
 */
import { brokerKeys, runtimeKey } from '../config/broker-keys.ts';
import {
  clientMetricsKeys,
  PUSH_INTERVAL_MS_MAX,
  PUSH_INTERVAL_MS_MIN,
  parseClientPatterns,
} from '../config/client-metrics-keys.ts';
import { groupKeys } from '../config/group-keys.ts';
import { isOfLogins, unchangingSettings, unservedSettings } from '../config/kafka-only-keys.ts';
import { bareName, isProtecting, listenerKey } from '../config/security-keys.ts';
import { type Key, type KeyValue, parseValue } from '../config/table.ts';
import { topicKeys } from '../config/topic-keys.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';
import type { Configs } from './configs.ts';
import { ResourceType } from './metadata-image.ts';
import { checkTopicName } from './topic-names.ts';

/** By name. */
export type SettingTexts = ReadonlyMap<string, string>;

/** Longest value that the wire carries, in bytes. */
const VALUE_BYTES_MAX = 0x7fff;

const OFFSET_RESET = 'share.auto.offset.reset';
/** The time is written as ISO 8601 has it, and is not negative. */
const OFFSET_RESETS =
  /^(earliest|latest|by_duration:[Pp](?=.)(\+?\d+[Dd])?([Tt](?=.)(\+?\d+[Hh])?(\+?\d+[Mm])?(\+?\d+([.,]\d{0,9})?[Ss])?)?)$/;

const MIN_ISR = 'min.insync.replicas';

const tables: ReadonlyMap<number, ReadonlyMap<string, Key>> = new Map<
  number,
  ReadonlyMap<string, Key>
>([
  [ResourceType.topic, topicKeys],
  [ResourceType.broker, brokerKeys],
  [ResourceType.clientMetrics, clientMetricsKeys],
  [ResourceType.group, groupKeys],
]);

/** Undefined for a name that no table has. */
export const keyOf = (resourceType: number, name: string): Key | undefined =>
  tables.get(resourceType)?.get(name) ??
  (resourceType === ResourceType.broker ? runtimeKey(name) : undefined);

const refuse = (message: string, code: number = ErrorCode.INVALID_CONFIG): never => {
  throw new ProtocolError(code, message);
};
const invalidRequest = (message: string): never => refuse(message, ErrorCode.INVALID_REQUEST);

/** Throws ProtocolError unless the resource may be called that, and have these settings. */
export function checkSettings(
  resourceType: number,
  resourceName: string,
  settings: SettingTexts,
  configs: Configs,
): void {
  for (const value of settings.values()) checkSize(value);
  switch (resourceType) {
    case ResourceType.topic:
      if (resourceName === '') invalidRequest('Default topic resources are not allowed.');
      checkTopicName(resourceName);
      return checkTopicSettings(settings, configs);
    case ResourceType.broker:
      // What is in them, the broker has checked that was asked.
      if (resourceName !== '' && settings.has(MIN_ISR) && configs.electsEligible) {
        refuse(`Broker-level ${MIN_ISR} cannot be altered while ELR is enabled.`);
      }
      return;
    case ResourceType.clientMetrics:
      if (resourceName === '') invalidRequest("Subscription name can't be empty");
      return checkClientMetrics(settings);
    case ResourceType.group:
      if (resourceName === '') invalidRequest('Default group resources are not allowed.');
      return checkGroupSettings(settings, configs);
    default:
      return invalidRequest(`Unknown resource type ${resourceType}`);
  }
}

/** Throws unless these may be settings of a topic. */
export function checkTopicSettings(settings: SettingTexts, configs: Configs): void {
  const values = valuesOf(settings, ResourceType.topic, (name) =>
    refuse(`Unknown topic config name: ${name}`),
  );
  const lag = (name: string): number => Number(values.get(name) ?? configs.topicDefault(name));
  const [least, most] = [lag('min.compaction.lag.ms'), lag('max.compaction.lag.ms')];
  if (least > most) {
    refuse(
      `conflict topic config setting min.compaction.lag.ms (${least}) > max.compaction.lag.ms (${most})`,
    );
  }
  if (values.get('remote.storage.enable') === true) {
    refuse(
      'Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.',
    );
  }
}

/**
 * Throws unless a running broker takes these settings; `resourceName` is its number, empty for all
 * brokers. A name that nobody knows is taken, as by Kafka, where a plug-in may know it (KIP-226).
 */
export function checkBrokerSettings(resourceName: string, settings: SettingTexts): void {
  const names = [...settings.keys()];
  const none = (message: string, isWrong: (name: string) => boolean): void => {
    const wrong = names.filter(isWrong);
    if (wrong.length > 0) invalidRequest(`${message}: [${wrong.join(', ')}]`);
  };
  none('Cannot update these configs dynamically', (name) => {
    const key = runtimeKey(name);
    return key === undefined ? unchangingSettings.has(name) : key.dynamic !== 'broker';
  });
  none(
    'These security configs can be dynamically updated only per-listener using the listener prefix',
    (name) => isProtecting(name) && listenerKey(name) === undefined,
  );
  none('These configs of Apache Kafka have no effect here', (name) =>
    unservedSettings.has(bareName(name)),
  );
  for (const [name, text] of settings) {
    const key = runtimeKey(name);
    if (key === undefined) continue;
    checkValue({ ...key, name: bareName(name) }, text, ErrorCode.INVALID_REQUEST);
  }
  if (resourceName !== '') return;
  none(
    'Cannot update these configs at default cluster level, broker id must be specified',
    (name) => isProtecting(name) || isOfLogins(bareName(name)),
  );
}

function checkClientMetrics(settings: SettingTexts): void {
  const values = valuesOf(settings, ResourceType.clientMetrics, (name) =>
    invalidRequest(`Unknown client metrics configuration: ${name}`),
  );
  const interval = values.get('interval.ms');
  if (
    typeof interval === 'number' &&
    (interval < PUSH_INTERVAL_MS_MIN || interval > PUSH_INTERVAL_MS_MAX)
  ) {
    invalidRequest(
      `Invalid value ${interval} for interval.ms, interval must be between ${PUSH_INTERVAL_MS_MIN} and ${PUSH_INTERVAL_MS_MAX} (1 hour)`,
    );
  }
  const parsed = parseClientPatterns((values.get('match') ?? []) as readonly string[]);
  if ('illegal' in parsed) refuse(`Illegal client matching pattern: ${parsed.illegal}`);
}

function checkGroupSettings(settings: SettingTexts, configs: Configs): void {
  const values = valuesOf(settings, ResourceType.group, (name) =>
    refuse(`Unknown group config name: ${name}`),
  );
  const reset = settings.get(OFFSET_RESET);
  if (reset !== undefined && !OFFSET_RESETS.test(reset)) {
    refuse(
      `Invalid value ${reset} for configuration ${OFFSET_RESET}: Invalid value \`${reset}\` for configuration ${OFFSET_RESET}. The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.`,
    );
  }
  for (const { name, atLeast, atMost } of groupKeys.values()) {
    const value = values.get(name);
    if (typeof value !== 'number') continue;
    if (atLeast !== undefined && value < configs.bound(atLeast)) {
      refuse(`${name} must be greater than or equal to ${atLeast.setting}`);
    }
    if (atMost !== undefined && value > configs.bound(atMost)) {
      refuse(`${name} must be less than or equal to ${atMost.setting}`);
    }
  }
  for (const kind of ['consumer', 'share', 'streams']) {
    const [timeout, interval] = [`${kind}.session.timeout.ms`, `${kind}.heartbeat.interval.ms`];
    const after = (name: string): number => Number(values.get(name) ?? configs.group('', name));
    if (after(timeout) <= after(interval)) refuse(`${timeout} must be greater than ${interval}`);
  }
}

/** Names before values: a name that there is not is the likelier mistake. */
function valuesOf(
  settings: SettingTexts,
  resourceType: number,
  unknown: (name: string) => never,
): Map<string, KeyValue> {
  for (const name of settings.keys()) {
    if (keyOf(resourceType, name) === undefined) unknown(name);
  }
  return new Map(
    [...settings].map(([name, text]) => [name, checkValue(keyOf(resourceType, name)!, text)]),
  );
}

function checkSize(text: string, code: number = ErrorCode.INVALID_CONFIG): void {
  if (Buffer.byteLength(text) <= VALUE_BYTES_MAX) return;
  refuse(
    `The configuration value cannot be added because it exceeds the maximum value size of ${VALUE_BYTES_MAX} bytes.`,
    code,
  );
}

function checkValue(key: Key, text: string, code: number = ErrorCode.INVALID_CONFIG): KeyValue {
  checkSize(text, code);
  if (key.type === 'list') checkList(key, text, code);
  if (!isWhole(key) || /^\s*[+-]?\d+\s*$/.test(text)) {
    const parsed = parseValue(key, text);
    if ('value' in parsed && parsed.value !== null) return parsed.value;
  }
  return refuseValue(key, text, code);
}

const isWhole = ({ type }: Key): boolean => type === 'short' || type === 'int' || type === 'long';

const refuseValue = (key: Key, text: string, code: number): never =>
  refuse(`Invalid value ${text} for configuration ${key.name}: ${problem(key, text)}`, code);

function checkList(key: Key, text: string, code: number): void {
  if (text.trim() === '') return;
  const items = text.split(',').map((item) => item.trim());
  if (items.includes('')) refuse(`Configuration '${key.name}' values must not be empty.`, code);
  const { values } = key;
  const wrong = items.find((item) => values !== undefined && !values.includes(item));
  if (wrong !== undefined) refuseValue(key, wrong, code);
}

function problem(key: Key, text: string): string {
  if (key.values !== undefined) return `String must be one of: ${key.values.join(', ')}`;
  if (key.type === 'boolean') return 'Expected value to be either true or false';
  const number = text.trim() === '' ? Number.NaN : Number(text);
  if (isWhole(key) ? !Number.isInteger(number) : Number.isNaN(number)) {
    return `Not a number of type ${key.type.toUpperCase()}`;
  }
  if (key.min !== undefined && number < key.min) return `Value must be at least ${key.min}`;
  if (key.max !== undefined && number > key.max) return `Value must be no more than ${key.max}`;
  return `Not a number of type ${key.type.toUpperCase()}`;
}
