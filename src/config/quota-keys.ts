/** How quotas are measured, and how many connections there may be: Kafka's names. Quotas themselves stand in the metadata. */
import type { Key } from './table.ts';

const INT_MAX = 2 ** 31 - 1;

const connectionsMax: Key = {
  name: 'max.connections',
  type: 'int',
  default: 2000,
  min: 1,
  dynamic: 'broker',
  doc: 'Connections open at once; more are closed as they come. Only where brokers have a listener of their own, one more of them takes the place of the client that has been silent longest. With `listener.name.NAME.`, those of that listener.',
};

/** Those that a listener may have of its own. */
export const listenerQuotaKeys: readonly Key[] = [connectionsMax];

export const quotaKeys: readonly Key[] = [
  connectionsMax,
  {
    name: 'max.connections.per.ip',
    type: 'int',
    default: INT_MAX,
    min: 0,
    dynamic: 'broker',
    doc: 'Connections open at once from one address; more are closed as they come.',
  },
  {
    name: 'quota.window.num',
    type: 'int',
    default: 11,
    min: 1,
    doc: 'Windows over which what clients use is summed up for their quotas.',
  },
  {
    name: 'quota.window.size.seconds',
    type: 'int',
    default: 1,
    min: 1,
    doc: 'Seconds of each of these windows.',
  },
  {
    name: 'controller.quota.window.num',
    type: 'int',
    default: 11,
    min: 1,
    doc: 'Windows whose changes of topics a client may save up for a burst (controller_mutation_rate).',
  },
  {
    name: 'controller.quota.window.size.seconds',
    type: 'int',
    default: 1,
    min: 1,
    doc: 'Seconds of each of these windows.',
  },
  {
    name: 'max.connections.per.ip.overrides',
    type: 'list',
    default: [],
    doc: 'Addresses with a limit of their own in place of max.connections.per.ip, as ADDRESS:COUNT.',
  },
  {
    name: 'max.connection.creation.rate',
    type: 'int',
    default: INT_MAX,
    min: 0,
    dynamic: 'broker',
    doc: 'New connections a second that the broker takes; more have to wait until the rate is that again.',
  },
];
