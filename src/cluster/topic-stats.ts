/**
 * What happened to one topic since this broker started, as plain numbers (Kafka: BrokerTopicMetrics).
 * They go when the topic goes; the totals over all topics are kept apart, and never go back.
 */
export class TopicStats {
  bytesIn = 0;
  bytesOut = 0;
  messagesIn = 0;
  bytesRejected = 0;
  produceRequests = 0;
  failedProduceRequests = 0;
  fetchRequests = 0;
  failedFetchRequests = 0;
  invalidMagic = 0;
  invalidCrc = 0;
  invalidOffsetOrSequence = 0;
  noKeyCompacted = 0;
  produceConversions = 0;
}
