/** Compares what two sides answered. */
import type { Entry } from './side.ts';

interface Allowed {
  /** Matches `what`; every entry unless given. */
  readonly what?: RegExp;
  /** Matches the path of the field, such as `topics.0.errorMessage`. */
  readonly path: RegExp;
  /** Both values, if only some may differ. */
  readonly values?: (kafka: unknown, ours: unknown) => boolean;
  readonly reason: string;
}

const isEmptyGroup = (group: unknown): boolean =>
  isObject(group) && (group['groupState'] === 'Empty' || group['groupState'] === '');

const hasNoPartition = (topic: unknown): boolean =>
  isObject(topic) &&
  Object.values(topic).some((value) => isObject(value) && Object.keys(value).length === 0);

export const NO_ANSWER = '<no answer>';
const isUnanswered = (answer: unknown): boolean => answer === NO_ANSWER;

const bothSpeak = (a: unknown, b: unknown): boolean =>
  typeof a === 'string' && typeof b === 'string' && a !== '' && b !== '';

const allowed: readonly Allowed[] = [
  {
    what: / without rights/,
    path: /errorMessage$/,
    values: (kafka, ours) =>
      /^Request Request\(.* needs \w+ permission\.$/.test(String(kafka)) &&
      ours === 'Cluster authorization failed.',
    reason: 'Kafka tells the client what Java knows of the request.',
  },
  {
    what: /^Metadata v1[23].*"AAAAAAAAAAAAAAAAAAAAAA","name":null/,
    path: /./,
    reason: 'Neither id nor name: Kafka fails inside, we know no such topic.',
  },
  {
    what: /"isolationLevel":[57]/,
    path: /./,
    reason: 'A level that there is not: Kafka fails inside, we read as far as everybody may.',
  },
  {
    what: /^AlterUserScramCredentials v0 \{"saltedPassword":\{"type":"Buffer","data":\[\]\}\}/,
    path: /error(Code|Message)$/,
    reason: 'A password that is nothing: Kafka fails inside, we call it unacceptable.',
  },
  {
    what: /^SCRAM-\S+ first 'y,,/,
    path: /^/,
    reason: 'A client that could bind channels: RFC 5802, section 6, lets it in; Kafka does not.',
  },
  {
    what: /^SCRAM-\S+ first 'n,,m=/,
    path: /^/,
    reason:
      'An extension that must be understood: RFC 5802, section 5.1, has us refuse; Kafka goes on.',
  },
  {
    what: /^SCRAM-\S+ last short proof$/,
    path: /^/,
    reason: 'A proof of another length: Kafka fails inside, we refuse it as any other.',
  },
  {
    what: /^SaslHandshake v1 too long/,
    path: /^mechanisms\.\d+$/,
    reason: 'Kafka has them in a hash table.',
  },
  {
    what: /^DescribeUserScramCredentials .*without rights/,
    path: /^results/,
    reason: 'Kafka answers a refusal with a user that nobody has asked for.',
  },
  {
    what: /^DescribeTopicPartitions .*without rights/,
    path: /^topics\.\d+\.name$/,
    reason: 'Kafka tells what is refused in the order of a hash table.',
  },
  {
    what: /^AlterClientQuotas.*("value":null,"remove":false|\.value NaN)/,
    path: /error(Code|Message)$/,
    reason: 'What is no number is no quota; Kafka keeps it, and never exceeds it.',
  },
  {
    what: /"configOperation":9/,
    path: /error(Code|Message)$/,
    reason: 'An operation that there is not: Kafka fails inside, we call it an invalid request.',
  },
  {
    what: /^Produce .*length huge/,
    path: /errorCode$/,
    reason: 'The length overflows in Kafka, which fails inside.',
  },
  {
    what: /^Fetch v\d+ session 0 unknown id \[\[\],/,
    path: /^sessionId$/,
    reason:
      'We keep no session over no partition at all: its place is limited, and it is of no use.',
  },
  {
    what: /^(Produce|ListOffsets|DeleteRecords|OffsetDelete|TxnOffsetCommit) /,
    path: /^(responses|topics)\.[^.]*$/,
    values: (kafka, ours) => kafka === undefined && hasNoPartition(ours),
    reason: 'A topic without a partition: Kafka leaves it out of the answer.',
  },
  {
    what: /^ApiVersions /,
    path: /^apiKeys\.\d+(\.minVersion|\.maxVersion)?$/,
    reason: 'We serve other APIs and versions: those that both serve are compared by use.',
  },
  {
    what: /^ApiVersions /,
    path: /^(supported|finalized)Features\./,
    values: (_, ours) => ours === undefined,
    reason: 'Features of what is not served here.',
  },
  {
    what: /^ApiVersions /,
    path: /^finalizedFeatures\.kraft\.version$/,
    reason: 'Where the voters are listed in its properties, Kafka has no level of it.',
  },
  {
    what: /^DescribeLogDirs /,
    path: /(__consumer_offsets|__transaction_state|metrics)\.partitions\.\d+\.partitionSize$/,
    reason:
      'Other things are written for groups and transactions, at other times; Kafka leaves what clients push to a plug-in.',
  },
  {
    path: /^finalizedFeaturesEpoch$/,
    reason: 'An offset of the metadata log.',
  },
  {
    what: /^ListGroups /,
    path: /^groups\.[^.]+$/,
    values: (kafka, ours) => ours === undefined && isEmptyGroup(kafka),
    reason: 'Kafka remembers a group that nobody was let in to; here there is none.',
  },
  {
    what: /^ListGroups /,
    path: /^groups\.odd-each-join-\d+$/,
    values: (kafka, ours) => ours === undefined && isObject(kafka),
    reason: 'Kafka keeps a member whose id it can not write down; here it is refused.',
  },
  {
    what: /^DescribeConfigs /,
    path: /\.documentation$/,
    values: bothSpeak,
    reason: 'We say in our own words what a setting does.',
  },
  {
    what: /^ListGroups v\d (step|cut|three|statesFilter|typesFilter|of other scenes)/,
    path: /\.groupState$/,
    reason: 'Members whom earlier scenes left are given up at some time.',
  },
  {
    what: /^IncrementalAlterConfigs .*resourceName "absent"/,
    path: /errorCode$/,
    reason: 'Topic and setting are both unknown: either may be told first.',
  },
  {
    what: /^CreateTopics .*topics\.0\..* topics\.0\./,
    path: /errorCode$/,
    values: (kafka, ours) => kafka !== 0 && ours !== 0,
    reason: 'Two things are wrong: either may be told first.',
  },
  {
    what: /^OffsetForLeaderEpoch .*\.leaderEpoch -/,
    path: /(leaderEpoch|endOffset)$/,
    reason: 'A term before the first, of a log with nothing in it: here none has begun.',
  },
  {
    what: /^GetTelemetrySubscriptions /,
    path: /^(clientInstanceId|subscriptionId)$/,
    reason: 'An id by chance, and a checksum with it.',
  },
  {
    path: /cleanup\.policy\.value$/,
    values: (kafka, ours) => kafka === 'delete' && ours === 'delete,delete',
    reason: 'What a list names twice is shown once by Kafka.',
  },
  {
    what: /^ListTransactions .*transactionalIdPattern "x…/,
    path: /^errorCode$/,
    reason: 'A pattern that long is refused: it is work for every transaction.',
  },
  {
    what: /^InitProducerId .*producerEpoch -[23]/,
    path: /^errorCode$/,
    values: (kafka, ours) => kafka !== 0 && ours !== 0,
    reason: 'An epoch that is none: Kafka looks for the producer first.',
  },
  {
    what: /^AddPartitionsToTxn /,
    path: /^resultsByTransaction\./,
    values: (kafka, ours) => kafka === undefined && hasNoPartition(ours),
    reason: 'A topic without a partition: Kafka leaves it out of the answer.',
  },
  {
    what: /^DescribeTopicPartitions .*cursor\.partitionIndex 2147483647/,
    path: /^nextCursor$/,
    reason: 'The number overflows in Kafka.',
  },
  {
    what: /^DescribeQuorum /,
    path: /(highWatermark|logEndOffset|lastFetchTimestamp|lastCaughtUpTimestamp|replicaDirectoryId|leaderEpoch)$/,
    reason: 'The metadata logs are not the same, nor read at the same time.',
  },
  {
    what: /^DescribeQuorum /,
    path: /^nodes\.\d+\.listeners\./,
    reason: 'Controllers have listeners of their own in Kafka.',
  },
  {
    what: /^kinds of settings of brokers$/,
    path: /^/,
    values: (kafka) => kafka === undefined,
    reason: 'A setting of our own.',
  },
  {
    what: /^kinds of settings of brokers$/,
    path: /^super\.users\./,
    reason: 'Kafka leaves them to the authorizer, and tells nobody who they are.',
  },
  {
    path: /configs\.node\.id\.synonyms/,
    reason: 'Our node id has a default.',
  },
  {
    path: /configs\.remote\.log\.(copy\.disable|delete\.on\.disable)$/,
    values: (_, b) => b === undefined,
    reason: 'There is no tiered storage here that could be switched off.',
  },
  {
    path: /configs\.min\.insync\.replicas(\.configSource|\.synonyms.*)?$/,
    reason: 'A new Kafka cluster sets its own default for all brokers (KIP-966).',
  },
];

/** One line for each field that differs and may not. */
export function differences(kafka: readonly Entry[], ours: readonly Entry[]): string[] {
  const found: string[] = [];
  const length = Math.max(kafka.length, ours.length);
  for (let i = 0; i < length; i++) {
    const [a, b] = [kafka[i], ours[i]];
    if (a === undefined || b === undefined || a.what !== b.what) {
      found.push(`step ${i}: Kafka was asked ${a?.what}, we ${b?.what}`);
      break;
    }
    if (a.odd && failedInside(a.answer) && !isUnanswered(b.answer)) continue;
    compare(a.what, '', a.answer, b.answer, found);
  }
  return found;
}

/**
 * Nothing at all or UNKNOWN_SERVER_ERROR is what Kafka says when it stumbles over a request that
 * nobody sends: not what anybody could want to be equal to. We have to say something.
 */
function failedInside(answer: unknown): boolean {
  if (isUnanswered(answer)) return true;
  if (!isObject(answer)) return false;
  return Object.entries(answer).some(
    ([key, value]) => (key === 'errorCode' && value === -1) || failedInside(value),
  );
}

function compare(what: string, path: string, a: unknown, b: unknown, found: string[]): void {
  if (Object.is(a, b)) return;
  if (isObject(a) && isObject(b) && Array.isArray(a) === Array.isArray(b)) {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      compare(what, path === '' ? key : `${path}.${key}`, a[key], b[key], found);
    }
    return;
  }
  const fits = (rule: Allowed): boolean =>
    rule.path.test(path) && (rule.what?.test(what) ?? true) && (rule.values?.(a, b) ?? true);
  if (!allowed.some(fits)) {
    found.push(`${what}\n    ${path}: Kafka ${JSON.stringify(a)}, we ${JSON.stringify(b)}`);
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;
