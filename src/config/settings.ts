/**
 * The effective configuration as plain JSON, handed to every role's thread. `load.ts` makes it out
 * of what was given; nothing reads files or environment variables after that.
 */
import type { ApplianceValues } from './appliance-keys.ts';
import type { BrokerSettings } from './broker-list.ts';
import type { InterBrokerListener } from './inter-broker-listener.ts';
import type { KeyValue } from './table.ts';

export const roleNames = ['broker', 'collectors', 'connectors', 'console'] as const;
export type RoleName = (typeof roleNames)[number];

export interface Settings {
  /** The program's own version, of package.json. */
  readonly version: string;
  /** The appliance's own, absolute: the first of `data.dir`. */
  readonly dataDir: string;
  /** What runs in this process; `broker` never with an external engine. */
  readonly roles: readonly RoleName[];
  /** Where our own roles find the log: the embedded brokers, or the Kafka cluster. */
  readonly bootstrap: readonly string[];
  /**
   * What the parts of the appliance prove to each other that they belong to it with: of the data
   * folder, once it is open. Null: there is none.
   */
  readonly secret: string | null;
  /** How our own roles reach the embedded brokers; null: there are none. */
  readonly interBroker: InterBrokerListener | null;
  /** Every key of `appliance-keys.ts`. */
  readonly values: ApplianceValues;
  /** Every broker of the cluster, also those of other processes; none with an external engine. */
  readonly brokers: readonly BrokerSettings[];
  /**
   * Of the broker whose thread has these settings (elsewhere, of the first one): Kafka's names that
   * were given (`broker.*` of the file, without the prefix), and always `listeners`,
   * `advertised.listeners` and `log.dirs`.
   */
  readonly broker: Readonly<Record<string, KeyValue>>;
}

/**
 * The values below `prefix` with its members' names in camel case: of `collectors.files.`, the key
 * `collectors.files.poll.ms` becomes `pollMs`. The roles' own settings are made of these.
 */
export function section(values: ApplianceValues, prefix: string): Record<string, KeyValue> {
  const result: Record<string, KeyValue> = {};
  for (const [name, value] of Object.entries(values)) {
    if (!name.startsWith(prefix)) continue;
    const member = name.slice(prefix.length);
    result[member.replaceAll(/\.([a-z])/g, (_, letter: string) => letter.toUpperCase())] = value;
  }
  return result;
}
