/**
 * AlterConfigs, v0-2, the older way: what is given replaces everything that was set on the resource.
 */
import type { SettingTexts } from '../../cluster/config-rules.ts';
import type { ConfigChange } from '../../cluster/controller/setting-changes.ts';
import { apis } from '../../protocol/apis.ts';
import type { alterConfigsRequest } from '../../protocol/messages/33-alter-configs.ts';
import type { Infer } from '../../protocol/schema.ts';
import { alteringHandler } from './alter-configs.ts';

type Resource = Infer<typeof alterConfigsRequest>['resources'][number];

export const alterConfigsHandler = alteringHandler<Resource>(apis.get(33), {
  changesOf: replaceAll,
  mayBeNull: () => false,
  alterLoggers: null,
});

function replaceAll({ configs }: Resource, now: SettingTexts): ConfigChange[] {
  const given = new Set(configs.map(({ name }) => name));
  const removed = [...now.keys()].filter((name) => !given.has(name));
  return [
    ...configs.map(({ name, value }) => ({ name, value })),
    ...removed.map((name) => ({ name, value: null })),
  ];
}
