/**
 * AlterClientQuotas (key 49): sets and removes quotas (KIP-546).
 *
 * Versions: 1 flexible.
 */
import { array, bool, float64, int16, int32, message, string } from '../schema.ts';

const at = { api: 49, min: 0, max: 1, flexible: 1 } as const;

export const alterClientQuotasRequest = message('AlterClientQuotasRequest', at, {
  entries: array({
    entity: array({ entityType: string, entityName: string.nullable() }),
    ops: array({ key: string, value: float64, remove: bool }),
  }),
  validateOnly: bool,
});

export const alterClientQuotasResponse = message('AlterClientQuotasResponse', at, {
  throttleTimeMs: int32,
  entries: array({
    errorCode: int16,
    errorMessage: string.nullable(),
    entity: array({ entityType: string, entityName: string.nullable() }),
  }),
});
