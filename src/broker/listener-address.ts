/**
 * `listeners` and `advertised.listeners`: where to listen, what is spoken there, and what to tell
 * clients. Nothing beyond this machine is opened without authentication unless somebody has said
 * that it may be open to all (`insecure`).
 */
import { FatalError } from '../base/errors.ts';

/** Kafka's security protocols; each one's place is its number in registrations of brokers. */
export const securityProtocols = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'] as const;
export type SecurityProtocol = (typeof securityProtocols)[number];

export interface ListenerAddress {
  readonly name: string;
  readonly protocol: SecurityProtocol;
  readonly host: string;
  readonly port: number;
  /** Null: each client is told the address by which it came in. */
  readonly advertised: { readonly host: string; readonly port: number } | null;
}

interface Address {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

const ALL_ADDRESSES = '::';

/** `NAME://host:port`; IPv6 hosts in brackets. Throws FatalError on anything else. */
export function parseAddress(text: string, key: string): Address {
  const match = /^([A-Za-z0-9_-]+):\/\/(?:\[([0-9a-fA-F:.]+)\]|([^:/[\]]*)):(\d{1,5})$/.exec(
    text.trim(),
  );
  const port = Number(match?.[4] ?? -1);
  if (match === null || port > 65_535) {
    throw new FatalError(`${key}: expected NAME://host:port, saw '${text}'`);
  }
  return { name: (match[1] ?? '').toUpperCase(), host: match[2] ?? match[3] ?? '', port };
}

export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);

export interface ListenerSettings {
  readonly listeners: readonly string[];
  readonly advertised: readonly string[];
  readonly protocols: readonly string[];
  readonly insecure: boolean;
  /** Name of the listener between brokers; null: the first one. */
  readonly internal: string | null;
  /** A setting of the listener of that name. */
  readonly setting: (listener: string, key: string) => unknown;
}

/**
 * Checked addresses, those of them that are open to other machines without authentication, and the
 * name of the one for parts of the appliance. Throws FatalError.
 */
export function listenerAddresses(settings: ListenerSettings): {
  addresses: ListenerAddress[];
  open: ListenerAddress[];
  internal: string;
} {
  const advertised = new Map(
    settings.advertised.map((text) => {
      const address = parseAddress(text, 'advertised.listeners');
      if (address.host === '' || address.host === '0.0.0.0' || address.host === ALL_ADDRESSES) {
        throw new FatalError(
          `advertised.listeners: '${text}' names no host that clients could reach`,
        );
      }
      return [address.name, address];
    }),
  );
  const protocols = new Map(
    settings.protocols.map((pair) => {
      const [name = '', protocol = ''] = pair.split(':');
      return [name.trim().toUpperCase(), protocol.trim().toUpperCase()];
    }),
  );
  const addresses = settings.listeners.map((text): ListenerAddress => {
    const { name, host, port } = parseAddress(text, 'listeners');
    const given = protocols.get(name);
    if (given === undefined) {
      throw new FatalError(`listeners: '${name}' has no entry in listener.security.protocol.map`);
    }
    const protocol = securityProtocols.find((known) => known === given);
    if (protocol === undefined) {
      throw new FatalError(
        `listener.security.protocol.map: expected one of ${securityProtocols.join(', ')}, saw '${given}'`,
      );
    }
    const told = advertised.get(name);
    return {
      name,
      protocol,
      host: host === '' ? ALL_ADDRESSES : host,
      port,
      advertised: told === undefined ? null : { host: told.host, port: told.port },
    };
  });
  if (new Set(addresses.map(({ name }) => name)).size !== addresses.length) {
    throw new FatalError('listeners: each listener name may be used once');
  }
  const open = addresses.filter(
    (address) => !isLoopback(address.host) && exposure(address, settings) !== null,
  );
  const first = open[0];
  if (first !== undefined && !settings.insecure) {
    throw new FatalError(
      `listener ${first.name} on ${first.host}:${first.port} ${exposure(first, settings)}; listen on 127.0.0.1, or set insecure: true`,
    );
  }
  return { addresses, open, internal: internalName(addresses, settings) };
}

function internalName(
  addresses: readonly ListenerAddress[],
  { internal }: ListenerSettings,
): string {
  const name = internal ?? addresses[0]?.name ?? '';
  if (!addresses.some((address) => address.name === name)) {
    throw new FatalError(`inter.broker.listener.name: there is no listener '${name}'`);
  }
  return name;
}

/** What is wrong with a listener that other machines reach; null: nothing. */
function exposure(
  { name, protocol }: ListenerAddress,
  { setting }: ListenerSettings,
): string | null {
  switch (protocol) {
    case 'PLAINTEXT':
      return 'would be open to other machines without authentication';
    case 'SSL':
      return setting(name, 'ssl.client.auth') === 'required'
        ? null
        : 'would be open to other machines without authentication (ssl.client.auth is not required)';
    case 'SASL_PLAINTEXT': {
      const mechanisms = setting(name, 'sasl.enabled.mechanisms') as readonly string[];
      const readable = mechanisms.filter((mechanism) => !mechanism.startsWith('SCRAM'));
      return readable.length === 0
        ? null
        : `would have passwords and tokens travel in clear text (${readable.join(', ')} without TLS)`;
    }
    case 'SASL_SSL':
      return null;
  }
}
