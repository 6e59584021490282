/** Bounds that the configuration puts on new topics and partitions; refused with POLICY_VIOLATION. */
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type { Configs } from '../configs.ts';

/** Topics of the brokers themselves. */
const isInternal = (name: string): boolean => name.startsWith('__');

const PARTITIONS = 'topic.policy.partitions';
const REPLICAS = 'topic.policy.replication.factor';

/** Of a topic that is to be created. Throws POLICY_VIOLATION. */
export function checkNewTopic(
  name: string,
  partitions: number,
  replicationFactor: number,
  configs: Configs,
): void {
  if (isInternal(name)) return;
  atLeast(name, partitions, 'partitions', `${PARTITIONS}.min`, configs);
  atMost(name, partitions, 'partitions', `${PARTITIONS}.max`, configs);
  atLeast(name, replicationFactor, 'replicas', `${REPLICAS}.min`, configs);
  atMost(name, replicationFactor, 'replicas', `${REPLICAS}.max`, configs);
}

/** Of a topic that is to have more partitions. Throws POLICY_VIOLATION. */
export function checkMorePartitions(name: string, partitions: number, configs: Configs): void {
  if (!isInternal(name)) atMost(name, partitions, 'partitions', `${PARTITIONS}.max`, configs);
}

function atLeast(name: string, count: number, unit: string, key: string, configs: Configs): void {
  const least = configs.broker(key);
  if (typeof least === 'number' && count < least) {
    refuse(`Topic '${name}' would have ${count} ${unit}; at least ${least} are allowed (${key}).`);
  }
}

function atMost(name: string, count: number, unit: string, key: string, configs: Configs): void {
  const most = configs.broker(key);
  if (typeof most === 'number' && count > most) {
    refuse(`Topic '${name}' would have ${count} ${unit}; at most ${most} are allowed (${key}).`);
  }
}

const refuse = (message: string): never => {
  throw new ProtocolError(ErrorCode.POLICY_VIOLATION, message);
};
