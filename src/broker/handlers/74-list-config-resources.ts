/**
 * ListConfigResources, v0-1: names of what can be configured. v0 asks for client metrics alone, of
 * which there are none.
 */
import { ResourceType } from '../../cluster/metadata-image.ts';
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

const CLIENT_METRICS = 16;

const supported: readonly number[] = [
  ResourceType.topic,
  ResourceType.broker,
  ResourceType.brokerLogger,
  CLIENT_METRICS,
  ResourceType.group,
];

export const listConfigResourcesHandler = handler<Request, Response>(
  apis.get(74),
  (request, context) => {
    const { image, nodeId } = context.broker;
    const asked =
      context.apiVersion === 0
        ? [CLIENT_METRICS]
        : request.resourceTypes.length === 0
          ? supported
          : request.resourceTypes;
    if (asked.some((type) => !supported.includes(type))) {
      return { throttleTimeMs: 0, errorCode: ErrorCode.UNSUPPORTED_VERSION, configResources: [] };
    }
    const namesOf = (resourceType: number): Iterable<string> => {
      if (resourceType === ResourceType.topic) return image.topics.keys();
      if (resourceType === CLIENT_METRICS || resourceType === ResourceType.group) return [];
      return [String(nodeId)];
    };
    return {
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      configResources: asked.flatMap((resourceType) =>
        [...namesOf(resourceType)].map((resourceName) => ({ resourceName, resourceType })),
      ),
    };
  },
);
