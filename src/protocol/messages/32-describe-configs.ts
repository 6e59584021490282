/**
 * DescribeConfigs (key 32): the effective configs of resources, and where each value comes from.
 *
 * Versions: 0 default or not · 1 sources and synonyms (KIP-226) · 2 throttled after the answer · 3 types and
 * documentation (KIP-569) · 4 flexible.
 */
import { array, bool, int8, int16, int32, message, string } from '../schema.ts';

export const describeConfigsRequest = message(
  'DescribeConfigsRequest',
  { api: 32, min: 0, max: 4, flexible: 4 },
  {
    resources: array({
      // 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
      resourceType: int8,
      resourceName: string,
      configurationKeys: array(string).nullable(), // Null: all.
    }),
    includeSynonyms: bool.since(1),
    includeDocumentation: bool.since(3),
  },
);

export const describeConfigsResponse = message(
  'DescribeConfigsResponse',
  { api: 32, min: 0, max: 4, flexible: 4 },
  {
    throttleTimeMs: int32,
    results: array({
      errorCode: int16,
      errorMessage: string.nullable(),
      resourceType: int8,
      resourceName: string,
      configs: array({
        name: string,
        value: string.nullable(),
        readOnly: bool,
        isDefault: bool.until(0),
        // 1 topic, 2 broker, 3 default of all brokers, 4 file, 5 default, 6 broker logger.
        configSource: int8.since(1).default(-1),
        isSensitive: bool,
        synonyms: array({ name: string, value: string.nullable(), source: int8 }).since(1),
        configType: int8.since(3),
        documentation: string.since(3).nullable(),
      }),
    }),
  },
);
