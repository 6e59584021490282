/**
 * Kafka's throttle of replication: a rate at every broker that takes part, and the topics that it
 * is for. Both are settings of the cluster, which outlive whoever has made them: a command that was
 * killed leaves them behind.
 *
 * A rate is the first thing that is set and the last one that goes: where no broker has one, nothing
 * was left.
 */
import type { Admin, ResourceType } from '../client/admin.ts';
import type { ClusterAdmin } from '../client/cluster-admin.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';

type Settings = Pick<Admin, 'alterConfigs' | 'describeConfigs' | 'listTopics'>;
type Moves = Pick<ClusterAdmin, 'describeCluster' | 'listReassignments'>;

const RATES = ['leader.replication.throttled.rate', 'follower.replication.throttled.rate'] as const;
const REPLICAS = [
  'leader.replication.throttled.replicas',
  'follower.replication.throttled.replicas',
] as const;
const ALL_REPLICAS = '*';

export class ReplicationThrottle {
  readonly #admin: Settings;
  /** Bytes a second. */
  readonly #rate: number;
  readonly #brokers = new Set<number>();
  readonly #topics = new Set<string>();

  constructor(admin: Settings, rate: number) {
    this.#admin = admin;
    this.#rate = rate;
  }

  /** Throttles these, too. */
  async add(brokers: Iterable<number>, topics: Iterable<string>): Promise<void> {
    for (const id of brokers) {
      if (this.#brokers.has(id)) continue;
      this.#brokers.add(id);
      await alter(this.#admin, 'broker', String(id), RATES, String(this.#rate));
    }
    for (const topic of topics) {
      if (this.#topics.has(topic)) continue;
      this.#topics.add(topic);
      await alter(this.#admin, 'topic', topic, REPLICAS, ALL_REPLICAS);
    }
  }

  takeBack(): Promise<void> {
    return takeBack(this.#admin, this.#brokers, this.#topics);
  }
}

/**
 * Takes back the throttle that somebody has left, which is so where nothing moves any more. Returns
 * what it was set for, null where there was none, or something still moves.
 */
export async function takeBackForgotten(admin: Settings, cluster: Moves): Promise<string | null> {
  if ((await cluster.listReassignments()).length > 0) return null;
  const { brokers } = await cluster.describeCluster();
  const ids: number[] = [];
  for (const { id, isFenced } of brokers) {
    if (!isFenced && (await isSet(admin, 'broker', String(id), RATES))) ids.push(id);
  }
  if (ids.length === 0) return null;
  const topics: string[] = [];
  for (const { name } of await admin.listTopics()) {
    if (await isSet(admin, 'topic', name, REPLICAS)) topics.push(name);
  }
  await takeBack(admin, ids, topics);
  const of = topics.length === 0 ? '' : ` of ${topics.join(', ')}`;
  return `${of} at broker ${ids.join(', ')}`.trimStart();
}

async function takeBack(
  admin: Settings,
  brokers: Iterable<number>,
  topics: Iterable<string>,
): Promise<void> {
  for (const topic of topics) {
    try {
      await alter(admin, 'topic', topic, REPLICAS, null);
    } catch (error) {
      // One that was deleted meanwhile has taken its settings along.
      const isGone =
        error instanceof ProtocolError && error.code === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
      if (!isGone) throw error;
    }
  }
  for (const id of brokers) await alter(admin, 'broker', String(id), RATES, null);
}

const alter = (
  admin: Settings,
  type: ResourceType,
  name: string,
  keys: readonly string[],
  value: string | null,
): Promise<void> => admin.alterConfigs(type, name, Object.fromEntries(keys.map((k) => [k, value])));

const OWN_SOURCES: ReadonlySet<string> = new Set(['DYNAMIC_TOPIC_CONFIG', 'DYNAMIC_BROKER_CONFIG']);

async function isSet(
  admin: Settings,
  type: ResourceType,
  name: string,
  keys: readonly string[],
): Promise<boolean> {
  const entries = await admin.describeConfigs(type, name, keys);
  return entries.some(({ source }) => OWN_SOURCES.has(source));
}
