/**
 * Takes the committed metadata to the parts of the broker that act on them (Kafka:
 * BrokerMetadataPublisher): what there is at the start, and every step from then on, in the order of
 * the log. The image has each step before the parts are told.
 */
import { reasonOf } from '../base/errors.ts';
import type { MetadataDelta } from '../cluster/metadata-delta.ts';
import { ResourceType, type TopicImage } from '../cluster/metadata-image.ts';
import { OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from '../cluster/topic-names.ts';
import { hotSettings } from './broker-settings.ts';
import { followTopic } from './coordinator-leadership.ts';
import type { BrokerServices } from './services.ts';
import { changedTopics } from './topic-directory.ts';

/**
 * Has the broker take over what is committed by now, and follow what will be. Resolves when the
 * listeners have the keys and certificates that it says.
 */
export function publishMetadata(services: BrokerServices): Promise<void> {
  const { image, quorum, partitions, groups, transactions, telemetry } = services;
  const secured = takeSettings(services);
  tellOfBrokers(image.brokers.keys(), services);
  followTopic(partitions, OFFSETS_TOPIC, groups);
  followTopic(partitions, TRANSACTIONS_TOPIC, transactions);
  partitions.load(image);
  telemetry.subscriptionsChanged(image.configured(ResourceType.clientMetrics));
  quorum.onCommitted((delta) => publish(delta, services));
  return secured;
}

/** Takes the broker's own settings over, as the metadata have them now. Never rejects. */
export function takeSettings({ configs, hot, sockets }: BrokerServices): Promise<void> {
  Object.assign(hot, hotSettings(configs));
  return sockets.reload();
}

function publish(delta: MetadataDelta, services: BrokerServices): void {
  const { image, partitions, groups, telemetry } = services;
  if (delta.brokerSettings.size > 0) void takeSettings(services);
  // First: who follows a broker from now on asks its new life.
  tellOfBrokers(delta.brokers, services);
  partitions.apply(delta, image);
  const changed = changedTopics(delta, image);
  if (changed.length > 0) groups.topicsChanged(changed, delta.createdTopics.size > 0);
  telemetry.subscriptionsChanged(delta.clientMetrics);
  for (const topic of delta.removedTopics) topicDeleted(topic, services);
}

function tellOfBrokers(ids: Iterable<number>, services: BrokerServices): void {
  const { image, peers, lifecycle } = services;
  for (const id of ids) {
    const broker = image.brokers.get(id);
    if (broker === undefined || !peers.registered(id, broker.epoch)) continue;
    lifecycle.connectionLost(id);
  }
}

function topicDeleted({ name, id }: TopicImage, { groups, logger }: BrokerServices): void {
  if (name === OFFSETS_TOPIC) return;
  groups.topicDeleted(name, id).catch((error: unknown) => {
    logger.warn('offsets of a deleted topic could not be removed', {
      'kafka.topic': name,
      'error.message': reasonOf(error),
    });
  });
}
