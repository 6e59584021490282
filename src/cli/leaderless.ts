/** What commands that read tell of partitions which nobody leads at present. */
import type { TopicPartition } from '../client/list-offsets.ts';

/** To who goes on reading: what is not to be had now is not lost. */
export const WHEN_IT_COMES = 'it is shown when it comes';

/** `logs-0, logs-1` */
export const namesOf = (partitions: readonly TopicPartition[]): string =>
  partitions.map(({ topic, partition }) => `${topic}-${partition}`).join(', ');

export const withoutLeader = (partitions: readonly TopicPartition[]): string =>
  `${namesOf(partitions)}: no leader`;
