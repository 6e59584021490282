/** The listener over which brokers and the appliance's own roles reach each other, as it was given. */
import { brokerKey, brokerKeys } from './broker-keys.ts';
import { listenerKeys, PEER_MECHANISM } from './security-keys.ts';
import type { KeyValue } from './table.ts';

export interface InterBrokerListener {
  /** In capitals. */
  readonly name: string;
  /** `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`. */
  readonly protocol: string;
  /**
   * What holds for it of `listenerKeys`, and of how brokers know each other, by Kafka's names. Changes
   * at run time are not in it: of keys and certificates, `security/peer-tls.ts` tells.
   */
  readonly values: Readonly<Record<string, KeyValue>>;
}

type Given = Readonly<Record<string, KeyValue>>;

/** The name that the settings give, by `inter.broker.listener.name` or by the protocol; null: none. */
export const interBrokerName = (setting: (name: string) => KeyValue): string | null => {
  const name = setting('inter.broker.listener.name') ?? setting('security.inter.broker.protocol');
  return name === null ? null : String(name).toUpperCase();
};

/** Of a broker with these settings. */
export function interBrokerListener(given: Given): InterBrokerListener {
  const setting = (name: string): KeyValue => given[name] ?? brokerKeys.get(name)?.default ?? null;
  const [first = ''] = (setting('listeners') ?? []) as readonly string[];
  const name = interBrokerName(setting) ?? first.split(':', 1)[0]!.toUpperCase();
  const pairs = (setting('listener.security.protocol.map') ?? []) as readonly string[];
  const pair = pairs.find((text) => text.split(':')[0]?.trim().toUpperCase() === name);
  const protocol = pair?.split(':')[1]?.trim().toUpperCase() ?? name;
  const mechanism = setting(PEER_MECHANISM);
  const prefix = `listener.name.${name.toLowerCase()}.`;
  const values: Record<string, KeyValue> = { [PEER_MECHANISM]: mechanism };
  for (const { name: key } of listenerKeys) {
    const own = [`${prefix}${String(mechanism).toLowerCase()}.${key}`, `${prefix}${key}`];
    const found = own.find((candidate) => brokerKey(candidate) !== undefined && candidate in given);
    values[key] = found === undefined ? setting(key) : given[found]!;
  }
  return { name, protocol, values };
}
