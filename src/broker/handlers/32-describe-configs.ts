/**
 * DescribeConfigs, v0-4: settings with their values, where they come from, and on request what they
 * would fall back to (v1 synonyms) and mean (v3 types and prose). Secrets are never told.
 */
import { type ConfigEntry, ConfigSource, describedValue } from '../../cluster/configs.ts';
import { ResourceType } from '../../cluster/metadata-image.ts';
import { checkTopicName } from '../../cluster/topic-names.ts';
import { brokerKeys } from '../../config/broker-keys.ts';
import { isSecret, type Key, type KeyType } from '../../config/table.ts';
import { topicKeys } from '../../config/topic-keys.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type {
  describeConfigsRequest,
  describeConfigsResponse,
} from '../../protocol/messages/32-describe-configs.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError, messageOfError } from '../errors.ts';
import { handler, type RequestContext } from '../handler.ts';

type Request = Infer<typeof describeConfigsRequest>;
type Response = Infer<typeof describeConfigsResponse>;
type Asked = Request['resources'][number];
type ConfigAnswer = Response['results'][number]['configs'][number];

/** Kafka's numbers of types. */
const typeNumber: Readonly<Record<KeyType, number>> = {
  boolean: 1,
  string: 2,
  int: 3,
  long: 5,
  duration: 5,
  bytes: 5,
  double: 6,
  list: 7,
  password: 9,
};

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
    const configs = entriesOf(asked, context)
      .filter(({ key }) => keys === null || keys.length === 0 || keys.includes(key.name))
      .map((entry) => answer(entry, request));
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
  readonly readOnly: boolean;
}

function entriesOf({ resourceType, resourceName }: Asked, context: RequestContext): Entry[] {
  switch (resourceType) {
    case ResourceType.topic:
      return topicEntries(resourceName, context);
    case ResourceType.broker:
      return brokerEntries(resourceName, context);
    case ResourceType.brokerLogger:
      checkBrokerName(resourceName, context, false);
      return [];
    default:
      throw new ProtocolError(
        ErrorCode.INVALID_REQUEST,
        `Unsupported resource type: ${resourceType}`,
      );
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
    // Of the settings that it falls back to, only the first one's default counts as a place.
    const shown = chain.filter(
      ({ name, source }) => source !== ConfigSource.default || name === key.brokerKeys[0]?.name,
    );
    return { key, value, chain: shown, readOnly: false };
  });
}

function brokerEntries(name: string, context: RequestContext): Entry[] {
  const { configs } = context.broker;
  checkBrokerName(name, context, true);
  const entries = [...brokerKeys.values()].map((key): Entry => {
    const chain = configs.brokerChain(key.name);
    const value = describedValue(key, chain[0]?.value ?? null);
    return { key, value, chain, readOnly: key.dynamic !== 'broker' };
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

export function checkBrokerName(name: string, context: RequestContext, mayBeAll: boolean): void {
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
      `Unexpected broker id, expected ${nodeId}${mayBeAll ? ' or empty string' : ''}, but received ${name}`,
    );
  }
}

function answer({ key, value, chain, readOnly }: Entry, request: Request): ConfigAnswer {
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
    configType: typeNumber[key.type],
    documentation: request.includeDocumentation ? key.doc : null,
  };
}
