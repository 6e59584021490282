/** How the active controller tells that a broker is gone, and moves leadership back. */
import type { Key } from './table.ts';

export const controllerKeys: readonly Key[] = [
  {
    name: 'broker.session.timeout.ms',
    type: 'duration',
    default: 3_000,
    min: 100,
    doc: 'Milliseconds without a heartbeat after which a broker is taken out, and others lead its partitions.',
  },
  {
    name: 'broker.heartbeat.interval.ms',
    type: 'duration',
    default: 500,
    min: 10,
    doc: 'Milliseconds between two heartbeats of a broker. One that is alone sends fewer.',
  },
  {
    name: 'broker.session.disconnect.grace.ms',
    type: 'duration',
    default: 150,
    min: 0,
    doc: 'Milliseconds that a broker has for another heartbeat once the connection of the last one is closed.',
  },
  {
    name: 'auto.leader.rebalance.enable',
    type: 'boolean',
    default: true,
    dynamic: 'broker',
    doc: 'Whether leadership returns to the preferred replicas by itself.',
  },
  {
    name: 'leader.imbalance.check.interval.seconds',
    type: 'int',
    default: 300,
    min: 1,
    doc: 'Seconds between two looks for partitions that others than their preferred replicas lead.',
  },
  {
    name: 'leader.imbalance.per.broker.percentage',
    type: 'int',
    default: 10,
    min: 0,
    max: 100,
    doc: 'Percentage of the partitions that prefer a broker, above which those that others lead return to it.',
  },
];
