/**
 * ApiVersions, v0-5: what this broker serves. A version that we do not know is answered in version
 * 0 with UNSUPPORTED_VERSION and the versions of this API alone (KIP-35, KIP-511).
 *
 * v3 flexible, names the client's software; v4 features that start at 0 (KIP-1022); v5 the cluster
 * and node that the client expects here (KIP-1242).
 */
import { features } from '../../cluster/features.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  apiVersionsRequest,
  apiVersionsResponse,
} from '../../protocol/messages/18-api-versions.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler, type RequestContext } from '../handler.ts';

type Request = Infer<typeof apiVersionsRequest>;
type Response = Infer<typeof apiVersionsResponse>;

const KEY = 18;
const SOFTWARE_VERSION = 3;
const FEATURES_FROM_0_VERSION = 4;
const EXPECTED_NODE_VERSION = 5;

/** As other brokers call themselves (`client/connection.ts`). */
const PEER_SOFTWARE_NAME = 'weir-broker';

/** Names of client software end up in metrics, so their number is bounded. */
const SOFTWARES_MAX = 100;

const NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

/** Made once the table of handlers is complete: it tells of all of them. */
export const makeApiVersionsHandler = (servedKeys: () => readonly number[]) =>
  handler<Request, Response>(apis.get(KEY), (request, context) => {
    if (context.unsupportedVersion) return answer(ErrorCode.UNSUPPORTED_VERSION, [KEY]);
    if (context.apiVersion >= SOFTWARE_VERSION) {
      const { clientSoftwareName: name, clientSoftwareVersion: version } = request;
      if (!NAME.test(name) || !NAME.test(version)) return answer(ErrorCode.INVALID_REQUEST, []);
      rememberSoftware(name, version, context);
    }
    if (context.apiVersion >= EXPECTED_NODE_VERSION && isElsewhere(request, context)) {
      return answer(ErrorCode.REBOOTSTRAP_REQUIRED, []);
    }
    context.connection.sasl?.versionsTold();
    const { hasPeers } = context.broker;
    const isPeer = hasPeers && request.clientSoftwareName === PEER_SOFTWARE_NAME;
    const keys = servedKeys().filter((key) => isPeer || apis.get(key)?.forPeers === false);
    return { ...answer(ErrorCode.NONE, keys), ...featuresOf(context) };
  });

/** What the cluster could switch on, and what is. Older clients stumble over a level of 0. */
function featuresOf({ apiVersion, broker }: RequestContext) {
  const { image, lastOffset } = broker.store;
  const known = [...features.values()];
  return {
    supportedFeatures: known
      .filter(({ min }) => min > 0 || apiVersion >= FEATURES_FROM_0_VERSION)
      .map(({ name, min, max }) => ({ name, minVersion: min, maxVersion: max })),
    finalizedFeaturesEpoch: lastOffset,
    finalizedFeatures: known
      .map(({ name }) => ({ name, level: image.featureLevel(name) }))
      .filter(({ level }) => level > 0)
      .map(({ name, level }) => ({ name, maxVersionLevel: level, minVersionLevel: level })),
  };
}

const isElsewhere = (request: Request, context: RequestContext): boolean =>
  (request.clusterId !== null && request.clusterId !== context.broker.clusterId) ||
  (request.nodeId >= 0 && request.nodeId !== context.broker.nodeId);

function rememberSoftware(name: string, version: string, context: RequestContext): void {
  const { connection, broker } = context;
  if (connection.softwareName !== '') return;
  connection.softwareName = name;
  connection.softwareVersion = version;
  const { software } = broker.connectionStats;
  const known = `${name} ${version}`;
  const key = software.has(known) || software.size < SOFTWARES_MAX ? known : 'other other';
  connection.softwareKey = key;
  software.set(key, (software.get(key) ?? 0) + 1);
}

const answer = (errorCode: number, keys: readonly number[]): Response => ({
  errorCode,
  apiKeys: keys.map((apiKey) => {
    const api = apis.get(apiKey);
    return {
      apiKey,
      minVersion: api?.min ?? 0,
      maxVersion: api?.max ?? 0,
    };
  }),
  throttleTimeMs: 0,
  supportedFeatures: [],
  finalizedFeaturesEpoch: -1,
  finalizedFeatures: [],
  zkMigrationReady: false,
});
