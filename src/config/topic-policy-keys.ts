/**
 * What users may create: bounds of the partitions and replicas of one topic, in place of Kafka's
 * `create.topic.policy.class.name`. Topics whose name begins with two underscores are the brokers'
 * own and free of them.
 */
import type { Key } from './table.ts';

export const topicPolicyKeys: readonly Key[] = [
  {
    name: 'topic.policy.partitions.min',
    type: 'int',
    default: 1,
    min: 1,
    dynamic: 'broker',
    doc: 'Fewest partitions that a topic may be created with.',
  },
  {
    name: 'topic.policy.partitions.max',
    type: 'int',
    default: null,
    min: 1,
    dynamic: 'broker',
    doc: 'Most partitions that a topic may have; without it, only partitions.max bounds them.',
  },
  {
    name: 'topic.policy.replication.factor.min',
    type: 'int',
    default: 1,
    min: 1,
    dynamic: 'broker',
    doc: 'Fewest replicas that a topic may be created with.',
  },
  {
    name: 'topic.policy.replication.factor.max',
    type: 'int',
    default: null,
    min: 1,
    dynamic: 'broker',
    doc: 'Most replicas that a topic may be created with.',
  },
];
