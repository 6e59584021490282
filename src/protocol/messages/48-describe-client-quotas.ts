/**
 * DescribeClientQuotas (key 48): quotas of the users, client ids and addresses that match (KIP-546).
 *
 * Versions: 1 flexible.
 */
import { array, bool, float64, int8, int16, int32, message, string } from '../schema.ts';

const at = { api: 48, min: 0, max: 1, flexible: 1 } as const;

export const describeClientQuotasRequest = message('DescribeClientQuotasRequest', at, {
  components: array({
    entityType: string,
    matchType: int8, // 0 exact name, 1 the default, 2 any name and the default.
    match: string.nullable(),
  }),
  /** Whether entities with other types besides are left out. */
  strict: bool,
});

export const describeClientQuotasResponse = message('DescribeClientQuotasResponse', at, {
  throttleTimeMs: int32,
  errorCode: int16,
  errorMessage: string.nullable(),
  entries: array({
    entity: array({ entityType: string, entityName: string.nullable() }),
    values: array({ key: string, value: float64 }),
  }).nullable(),
});
