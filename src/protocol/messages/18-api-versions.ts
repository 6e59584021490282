/**
 * ApiVersions (key 18): what this broker speaks. The first request on a connection.
 *
 * Versions: 1 throttle time · 2 throttled after the answer · 3 flexible, the client's name, features
 * (KIP-511, KIP-584) · 4 features whose lowest level is 0 are shown · 5 the expected cluster and node (KIP-1242).
 * The response header stays at version 0, so that any client can read the refusal of a version.
 */
import { array, bool, int16, int32, int64, message, string } from '../schema.ts';

export const apiVersionsRequest = message(
  'ApiVersionsRequest',
  { api: 18, min: 0, max: 5, flexible: 3 },
  {
    clientSoftwareName: string.since(3),
    clientSoftwareVersion: string.since(3),
    // Whom the client expects here; a mismatch is answered with REBOOTSTRAP_REQUIRED.
    clusterId: string.since(5).nullable().default(null),
    nodeId: int32.since(5).default(-1),
  },
);

export const apiVersionsResponse = message(
  'ApiVersionsResponse',
  { api: 18, min: 0, max: 5, flexible: 3 },
  {
    errorCode: int16,
    apiKeys: array({ apiKey: int16, minVersion: int16, maxVersion: int16 }),
    throttleTimeMs: int32.since(1),
    supportedFeatures: array({ name: string, minVersion: int16, maxVersion: int16 })
      .since(3)
      .tag(0),
    finalizedFeaturesEpoch: int64.since(3).default(-1).tag(1),
    finalizedFeatures: array({ name: string, maxVersionLevel: int16, minVersionLevel: int16 })
      .since(3)
      .tag(2),
    zkMigrationReady: bool.since(3).tag(3),
  },
);
