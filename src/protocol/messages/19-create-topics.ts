/**
 * CreateTopics (key 19).
 *
 * Versions: 1 validation only, error texts · 2 throttle time · 3 throttled after the answer · 4 defaults for
 * partitions and replication (KIP-464) · 5 flexible, effective configs in the answer (KIP-525) ·
 * 6 THROTTLING_QUOTA_EXCEEDED (KIP-599) · 7 topic ids (KIP-516).
 */
import { array, bool, int8, int16, int32, message, string, uuid } from '../schema.ts';

export const createTopicsRequest = message(
  'CreateTopicsRequest',
  { api: 19, min: 0, max: 7, flexible: 5 },
  {
    topics: array({
      name: string,
      numPartitions: int32, // -1: the broker's default, or as assigned.
      replicationFactor: int16, // -1: the broker's default, or as assigned.
      assignments: array({ partitionIndex: int32, brokerIds: array(int32) }),
      configs: array({ name: string, value: string.nullable() }),
    }),
    timeoutMs: int32.default(60000),
    validateOnly: bool.since(1),
  },
);

export const createTopicsResponse = message(
  'CreateTopicsResponse',
  { api: 19, min: 0, max: 7, flexible: 5 },
  {
    throttleTimeMs: int32.since(2),
    topics: array({
      name: string,
      topicId: uuid.since(7),
      errorCode: int16,
      errorMessage: string.since(1).nullable(),
      topicConfigErrorCode: int16.since(5).tag(0),
      numPartitions: int32.since(5).default(-1),
      replicationFactor: int16.since(5).default(-1),
      configs: array({
        name: string,
        value: string.nullable(),
        readOnly: bool,
        configSource: int8.default(-1),
        isSensitive: bool,
      })
        .since(5)
        .nullable(),
    }),
  },
);
