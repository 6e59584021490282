/**
 * UpdateFeatures (key 57): sets the levels of the cluster's features (KIP-584).
 *
 * Versions: 1 validate only, kinds of downgrade (KIP-778) · 2 no results of single features (KIP-1022).
 */
import { array, bool, int8, int16, int32, message, string } from '../schema.ts';

const at = { api: 57, min: 0, max: 2, flexible: 0 } as const;

export const updateFeaturesRequest = message('UpdateFeaturesRequest', at, {
  timeoutMs: int32.default(60_000),
  featureUpdates: array({
    feature: string,
    maxVersionLevel: int16,
    allowDowngrade: bool.until(0),
    // 1 upgrade, 2 downgrade that loses nothing, 3 downgrade that may.
    upgradeType: int8.since(1).default(1),
  }),
  validateOnly: bool.since(1),
});

export const updateFeaturesResponse = message('UpdateFeaturesResponse', at, {
  throttleTimeMs: int32,
  errorCode: int16,
  errorMessage: string.nullable().default(null),
  results: array({
    feature: string,
    errorCode: int16,
    errorMessage: string.nullable().default(null),
  }).until(1),
});
