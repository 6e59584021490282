/**
 * ListConfigResources, v0-1: names of what can be configured. v0 asks for subscriptions to metrics of
 * clients alone (KIP-714, KIP-1142).
 */
import { ResourceType } from '../../cluster/metadata-image.ts';
import { AclOperation } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  listConfigResourcesRequest,
  listConfigResourcesResponse,
} from '../../protocol/messages/74-list-config-resources.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';

type Request = Infer<typeof listConfigResourcesRequest>;
type Response = Infer<typeof listConfigResourcesResponse>;

/** In the order in which Kafka tells them. */
const supported: readonly number[] = [
  ResourceType.group,
  ResourceType.clientMetrics,
  ResourceType.brokerLogger,
  ResourceType.broker,
  ResourceType.topic,
];

export const listConfigResourcesHandler = handler<Request, Response>(
  apis.get(74),
  (request, context) => {
    if (!context.mayToCluster(AclOperation.describeConfigs)) {
      const errorCode = ErrorCode.CLUSTER_AUTHORIZATION_FAILED;
      return { throttleTimeMs: 0, errorCode, configResources: [] };
    }
    const { image } = context.broker;
    const asked =
      context.apiVersion === 0
        ? [ResourceType.clientMetrics]
        : request.resourceTypes.length === 0
          ? supported
          : request.resourceTypes;
    if (asked.some((type) => !supported.includes(type))) {
      return { throttleTimeMs: 0, errorCode: ErrorCode.UNSUPPORTED_VERSION, configResources: [] };
    }
    const namesOf = (resourceType: number): Iterable<string> => {
      if (resourceType === ResourceType.topic) return image.topics.keys();
      if (resourceType === ResourceType.broker || resourceType === ResourceType.brokerLogger) {
        return [...image.brokers.values()].filter(({ fenced }) => !fenced).map(({ id }) => `${id}`);
      }
      return image.configured(resourceType);
    };
    return {
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      configResources: supported
        .filter((type) => asked.includes(type))
        .flatMap((resourceType) =>
          [...namesOf(resourceType)].map((resourceName) => ({ resourceName, resourceType })),
        ),
    };
  },
);
