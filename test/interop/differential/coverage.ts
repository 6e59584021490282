/** Which APIs and versions the comparison with Apache Kafka has to reach. */
import { handlers } from '../../../src/broker/handlers/index.ts';
import type { Api } from '../../../src/protocol/apis.ts';
import { versionsOf } from '../../property/random-message.ts';

/** Served, but not known to Kafka 4.3.1: floors of 3.9 that it gave up, and what comes after it. */
export const notInKafka: ReadonlyMap<string, readonly number[]> = new Map([
  ['Produce', [0, 1, 2]],
  ['ListOffsets', [0]],
  ['ApiVersions', [5]],
  ['CreateTopics', [0, 1]],
  ['DeleteTopics', [0]],
  ['DescribeAcls', [0]],
  ['CreateAcls', [0]],
  ['DeleteAcls', [0]],
  ['DescribeConfigs', [0]],
  ['AlterReplicaLogDirs', [0]],
  ['DescribeLogDirs', [0]],
]);

/** What a scene can't be answered without an error, and why. */
const refused: ReadonlyMap<string, string> = new Map([
  ['SaslHandshake', 'The listener asks nobody who it is: see `sasl.ts`, of one that does.'],
  ['SaslAuthenticate', 'The listener asks nobody who it is: see `sasl.ts`, of one that does.'],
  ['UnregisterBroker', 'One broker alone can lose none: see the tools, on several.'],
]);

/** What a client may ask us for. */
export const served: readonly Api[] = handlers
  .map(({ api }) => api)
  .filter(({ forPeers }) => !forPeers);

/** Versions that both serve. */
export const comparedVersions = (api: Api): number[] =>
  versionsOf(api.request).filter((version) => !notInKafka.get(api.name)?.includes(version));

/** Lines `Fetch v7`, of what no scene has been answered without an error. */
export const uncovered = (succeeded: ReadonlyMap<string, ReadonlySet<number>>): string[] =>
  served.flatMap((api) =>
    refused.has(api.name)
      ? []
      : comparedVersions(api)
          .filter((version) => succeeded.get(api.name)?.has(version) !== true)
          .map((version) => `${api.name} v${version}`),
  );
