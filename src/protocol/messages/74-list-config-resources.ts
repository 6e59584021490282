/**
 * ListConfigResources (key 74): names of what has dynamic configs. Always flexible.
 *
 * Versions: 0 client metrics subscriptions only (KIP-714) · 1 every type (KIP-1142).
 */
import { array, int8, int16, int32, message, string } from '../schema.ts';

export const listConfigResourcesRequest = message(
  'ListConfigResourcesRequest',
  { api: 74, min: 0, max: 1, flexible: 0 },
  {
    resourceTypes: array(int8).since(1), // Empty: all.
  },
);

export const listConfigResourcesResponse = message(
  'ListConfigResourcesResponse',
  { api: 74, min: 0, max: 1, flexible: 0 },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    configResources: array({ resourceName: string, resourceType: int8.since(1).default(16) }),
  },
);
