/**
 * DescribeConfigs, v0-4: settings with their values, where they come from, and on request what they
 * would fall back to (v1 synonyms) and mean (v3 types and prose). Secrets are never told.
 */
import { type ConfigEntry, ConfigSource, describedValue } from '../../cluster/configs.ts';
import { type MetadataImage, ResourceType } from '../../cluster/metadata-image.ts';
import { checkTopicName } from '../../cluster/topic-names.ts';
import { brokerKeys, runtimeKey } from '../../config/broker-keys.ts';
import { clientMetricsKeys } from '../../config/client-metrics-keys.ts';
import { groupKeys } from '../../config/group-keys.ts';
import { bareName } from '../../config/security-keys.ts';
import { isSecret, type Key, type KeyType } from '../../config/table.ts';
import { topicKeys } from '../../config/topic-keys.ts';
import { AclOperation } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode, errorSentence, ProtocolError } from '../../protocol/error-codes.ts';
import type {
  describeConfigsRequest,
  describeConfigsResponse,
} from '../../protocol/messages/32-describe-configs.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError, messageOfError } from '../errors.ts';
import { handler, type RequestContext } from '../handler.ts';
import { demandConfigRight } from './config-rights.ts';

type Request = Infer<typeof describeConfigsRequest>;
type Response = Infer<typeof describeConfigsResponse>;
type Asked = Request['resources'][number];
type ConfigAnswer = Response['results'][number]['configs'][number];

/** Kafka's numbers of types. */
const typeNumber: Readonly<Record<KeyType, number>> = {
  boolean: 1,
  string: 2,
  int: 3,
  short: 4,
  long: 5,
  duration: 5,
  bytes: 5,
  double: 6,
  list: 7,
  password: 9,
};

const [STRING, INT, LONG] = [2, 3, 5];

/** Settings that are of another type in Kafka: ours take units, or are read as lists. */
const otherTypes: ReadonlyMap<string, number> = new Map([
  ['broker.heartbeat.interval.ms', INT],
  ['broker.session.timeout.ms', INT],
  ['leader.imbalance.check.interval.seconds', LONG],
  ['listener.security.protocol.map', STRING],
  ['max.connections.per.ip.overrides', STRING],
]);

export const describeConfigsHandler = handler<Request, Response>(
  apis.get(32),
  (request, context) => ({
    throttleTimeMs: 0,
    results: request.resources.map((asked) => describe(asked, request, context)),
  }),
);

function describe(
  asked: Asked,
  request: Request,
  context: RequestContext,
): Response['results'][number] {
  const { resourceType, resourceName } = asked;
  const named = { resourceType, resourceName };
  const keys = asked.configurationKeys;
  try {
    demandConfigRight(AclOperation.describeConfigs, asked, context);
    const configs = answersTo(asked, request, context).filter(
      ({ name }) => keys === null || keys.length === 0 || keys.includes(name),
    );
    return { ...named, errorCode: ErrorCode.NONE, errorMessage: '', configs };
  } catch (error) {
    const errorCode = codeOfError(error, context.broker.logger);
    return { ...named, errorCode, errorMessage: messageOfError(error), configs: [] };
  }
}

interface Entry {
  readonly key: Key;
  readonly value: string | null;
  readonly chain: readonly ConfigEntry[];
  readonly readOnly?: boolean;
}

function answersTo(asked: Asked, request: Request, context: RequestContext): ConfigAnswer[] {
  if (asked.resourceType === ResourceType.brokerLogger) {
    return loggerAnswers(asked.resourceName, context);
  }
  const answers = entriesOf(asked, context).map((entry) => answer(entry, request));
  if (asked.resourceType !== ResourceType.broker) return answers;
  return [...answers, ...foreignAnswers(asked.resourceName, request, context)];
}

/** Settings of brokers that we do not know. Their values might be secrets, so nobody is told. */
function foreignAnswers(
  broker: string,
  request: Request,
  { broker: { image } }: RequestContext,
): ConfigAnswer[] {
  const own = image.settings(ResourceType.broker, broker);
  const source = (name: string): number =>
    broker !== '' && own.has(name) ? ConfigSource.dynamicBroker : ConfigSource.dynamicDefaultBroker;
  const unknown = changedNames(broker, image).filter((name) => runtimeKey(name) === undefined);
  return unknown.map((name) => ({
    name,
    value: null,
    readOnly: true,
    isDefault: false,
    configSource: source(name),
    isSensitive: true,
    synonyms: request.includeSynonyms ? [{ name, value: null, source: source(name) }] : [],
    configType: 0,
    documentation: request.includeDocumentation ? '' : null,
  }));
}

/** What was set at run time for the broker (empty: for all of them), or for all. */
function changedNames(broker: string, image: MetadataImage): string[] {
  const places = new Set([broker, '']);
  const names = [...places].flatMap((place) => [
    ...image.settings(ResourceType.broker, place).keys(),
  ]);
  return [...new Set(names)];
}

function entriesOf({ resourceType, resourceName }: Asked, context: RequestContext): Entry[] {
  switch (resourceType) {
    case ResourceType.topic:
      return topicEntries(resourceName, context);
    case ResourceType.broker:
      return brokerEntries(resourceName, context);
    case ResourceType.clientMetrics:
      return clientMetricsEntries(resourceName, context);
    case ResourceType.group:
      return groupEntries(resourceName, context);
    default:
      throw new ProtocolError(ErrorCode.INVALID_REQUEST, errorSentence(ErrorCode.INVALID_REQUEST));
  }
}

function topicEntries(topic: string, context: RequestContext): Entry[] {
  const { configs, image } = context.broker;
  checkTopicName(topic);
  if (image.topic(topic) === undefined) {
    throw new ProtocolError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, '');
  }
  return [...topicKeys.values()].map((key) => {
    const chain = configs.topicChain(topic, key);
    const value = describedValue(key, configs.valueIn(key, chain[0]));
    const own = chain.filter(({ source }) => source === ConfigSource.topic);
    const [synonym] = key.brokerKeys;
    const broker = synonym === undefined ? [] : configs.describedChain(synonym.name);
    return { key, value, chain: [...own, ...broker] };
  });
}

function brokerEntries(name: string, context: RequestContext): Entry[] {
  const { configs, image } = context.broker;
  checkBrokerName(name, context, true);
  // Of listeners, and of what has no effect here, only what somebody has set.
  const more = changedNames(name, image).filter((changed) => !brokerKeys.has(changed));
  const keys = [...brokerKeys.values(), ...more.flatMap((changed) => runtimeKey(changed) ?? [])];
  const entries = keys.map((key): Entry => {
    const value = describedValue(key, configs.broker(key.name));
    return {
      key,
      value,
      chain: configs.describedChain(key.name),
      // Kafka says so of a listener's, too, and lets them be changed.
      readOnly: key.dynamic !== 'broker' || bareName(key.name) !== key.name,
    };
  });
  if (name !== '') return entries;
  // Asked for all brokers: what was set for all of them at run time, and nothing else.
  return entries.flatMap((entry): Entry[] => {
    const chain = entry.chain.filter(({ source }) => source === ConfigSource.dynamicDefaultBroker);
    const first = chain[0];
    return first === undefined
      ? []
      : [{ ...entry, chain, value: describedValue(entry.key, first.value) }];
  });
}

function groupEntries(groupId: string, { broker }: RequestContext): Entry[] {
  checkNotEmpty(groupId, 'Group name must not be empty');
  return [...groupKeys.values()].map((key) => {
    const chain = broker.configs.groupChain(groupId, key);
    return { key, chain, value: describedValue(key, chain[0]?.value ?? null) };
  });
}

/** Of a subscription that there is not, Kafka tells the defaults. */
function clientMetricsEntries(name: string, { broker }: RequestContext): Entry[] {
  checkNotEmpty(name, 'Client metrics subscription name must not be empty');
  return [...clientMetricsKeys.values()].map((key) => {
    const chain = broker.configs.clientMetricsChain(name, key);
    return { key, chain, value: describedValue(key, chain[0]?.value ?? key.default) };
  });
}

/** A logger has a level, and nothing that Kafka would say of it besides. */
function loggerAnswers(broker: string, context: RequestContext): ConfigAnswer[] {
  checkBrokerName(broker, context, false);
  return context.broker.loggers.levels().map(({ name, level }) => ({
    name,
    value: level,
    readOnly: false,
    isDefault: false,
    configSource: ConfigSource.brokerLogger,
    isSensitive: false,
    synonyms: [],
    configType: 0,
    documentation: '',
  }));
}

function checkNotEmpty(name: string, message: string): void {
  if (name === '') throw new ProtocolError(ErrorCode.INVALID_REQUEST, message);
}

function checkBrokerName(name: string, context: RequestContext, mayBeAll: boolean): void {
  const { nodeId } = context.broker;
  if (name === '') {
    if (mayBeAll) return;
    throw new ProtocolError(ErrorCode.INVALID_REQUEST, 'Broker id must not be empty');
  }
  if (!/^-?\d+$/.test(name)) {
    throw new ProtocolError(
      ErrorCode.INVALID_REQUEST,
      `Broker id must be an integer, but it is: ${name}`,
    );
  }
  if (Number(name) !== nodeId) {
    throw new ProtocolError(
      ErrorCode.INVALID_REQUEST,
      `Unexpected broker id, expected ${nodeId}${mayBeAll ? ' or empty string,' : ''} but received ${name}`,
    );
  }
}

function answer({ key, value, chain, readOnly = false }: Entry, request: Request): ConfigAnswer {
  const source = chain[0]?.source ?? ConfigSource.default;
  return {
    name: key.name,
    value,
    readOnly,
    isDefault: source === ConfigSource.default,
    configSource: source,
    isSensitive: isSecret(key),
    synonyms: request.includeSynonyms
      ? chain.map((entry) => ({
          name: entry.name,
          value: describedValue(key, entry.value),
          source: entry.source,
        }))
      : [],
    configType: otherTypes.get(key.name) ?? typeNumber[key.type],
    documentation: request.includeDocumentation ? key.doc : null,
  };
}
