/**
 * DeleteTopics (key 20).
 *
 * Versions: 1 throttle time · 2 throttled after the answer · 3 TOPIC_DELETION_DISABLED may come back · 4 flexible ·
 * 5 error texts, THROTTLING_QUOTA_EXCEEDED (KIP-599) · 6 deletion by id (KIP-516).
 */
import { array, int16, int32, message, string, uuid } from '../schema.ts';

export const deleteTopicsRequest = message(
  'DeleteTopicsRequest',
  { api: 20, min: 0, max: 6, flexible: 4 },
  {
    topics: array({ name: string.nullable().default(null), topicId: uuid }).since(6),
    topicNames: array(string).until(5),
    timeoutMs: int32,
  },
);

export const deleteTopicsResponse = message(
  'DeleteTopicsResponse',
  { api: 20, min: 0, max: 6, flexible: 4 },
  {
    throttleTimeMs: int32.since(1),
    responses: array({
      name: string.nullable(6),
      topicId: uuid.since(6),
      errorCode: int16,
      errorMessage: string.since(5).nullable().default(null),
    }),
  },
);
