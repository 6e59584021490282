/**
 * AlterConfigs (key 33): replaces all dynamic configs of resources. Superseded by IncrementalAlterConfigs.
 *
 * Versions: 1 throttled after the answer · 2 flexible.
 */
import { array, bool, int8, int16, int32, message, string } from '../schema.ts';

export const alterConfigsRequest = message(
  'AlterConfigsRequest',
  { api: 33, min: 0, max: 2, flexible: 2 },
  {
    resources: array({
      resourceType: int8,
      resourceName: string,
      configs: array({ name: string, value: string.nullable() }),
    }),
    validateOnly: bool,
  },
);

export const alterConfigsResponse = message(
  'AlterConfigsResponse',
  { api: 33, min: 0, max: 2, flexible: 2 },
  {
    throttleTimeMs: int32,
    responses: array({
      errorCode: int16,
      errorMessage: string.nullable(),
      resourceType: int8,
      resourceName: string,
    }),
  },
);
