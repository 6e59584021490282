/**
 * AlterConfigs, v0-2, the older way: what is given replaces everything that was set on the resource.
 */
import type { ConfigChange } from '../../cluster/controller/setting-changes.ts';
import { apis } from '../../protocol/apis.ts';
import type {
  alterConfigsRequest,
  alterConfigsResponse,
} from '../../protocol/messages/33-alter-configs.ts';
import type { Infer } from '../../protocol/schema.ts';
import { controllerHandler } from '../handler.ts';
import { alterAll, checkNoNull } from './alter-configs.ts';

type Request = Infer<typeof alterConfigsRequest>;
type Response = Infer<typeof alterConfigsResponse>;
type Resource = Request['resources'][number];

export const alterConfigsHandler = controllerHandler<Request, Response>(
  apis.get(33),
  async (request, context) => ({
    throttleTimeMs: 0,
    responses: await alterAll(request.resources, request.validateOnly, context, replaceAll),
  }),
);

function replaceAll(resource: Resource, now: ReadonlyMap<string, string>): ConfigChange[] {
  checkNoNull(resource.configs, () => false);
  const { resourceType, resourceName } = resource;
  const given = new Set(resource.configs.map(({ name }) => name));
  const removed = [...now.keys()].filter((name) => !given.has(name));
  return [
    ...resource.configs.map(({ name, value }) => ({ resourceType, resourceName, name, value })),
    ...removed.map((name) => ({ resourceType, resourceName, name, value: null })),
  ];
}
