/**
 * IncrementalAlterConfigs (key 44): changes single dynamic configs (KIP-339).
 *
 * Versions: 1 flexible.
 */
import { array, bool, int8, int16, int32, message, string } from '../schema.ts';

export const incrementalAlterConfigsRequest = message(
  'IncrementalAlterConfigsRequest',
  { api: 44, min: 0, max: 1, flexible: 1 },
  {
    resources: array({
      resourceType: int8,
      resourceName: string,
      configs: array({
        name: string,
        configOperation: int8, // 0 set, 1 delete, 2 append, 3 subtract.
        value: string.nullable(),
      }),
    }),
    validateOnly: bool,
  },
);

export const incrementalAlterConfigsResponse = message(
  'IncrementalAlterConfigsResponse',
  { api: 44, min: 0, max: 1, flexible: 1 },
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
