/**
 * `listeners` and `advertised.listeners`: where to listen, and what to tell clients. Nothing beyond
 * this machine is opened unless somebody has said that it may be open to all (`insecure`).
 */
import { FatalError } from '../base/errors.ts';

export interface ListenerAddress {
  readonly name: string;
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

/** Protocols that need keys or passwords that this version has no place for. */
const NEEDS_SECURITY = /^(SSL|SASL_PLAINTEXT|SASL_SSL)$/;

export interface ListenerSettings {
  readonly listeners: readonly string[];
  readonly advertised: readonly string[];
  readonly protocols: readonly string[];
  readonly insecure: boolean;
}

/** Checked addresses, and those of them that are open to other machines. Throws FatalError. */
export function listenerAddresses(settings: ListenerSettings): {
  addresses: ListenerAddress[];
  open: ListenerAddress[];
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
    const protocol = protocols.get(name);
    if (protocol === undefined) {
      throw new FatalError(`listeners: '${name}' has no entry in listener.security.protocol.map`);
    }
    if (NEEDS_SECURITY.test(protocol)) {
      throw new FatalError(
        `listeners: ${protocol} is not available, listener '${name}' asks for it`,
      );
    }
    const told = advertised.get(name);
    return {
      name,
      host: host === '' ? ALL_ADDRESSES : host,
      port,
      advertised: told === undefined ? null : { host: told.host, port: told.port },
    };
  });
  if (new Set(addresses.map(({ name }) => name)).size !== addresses.length) {
    throw new FatalError('listeners: each listener name may be used once');
  }
  const open = addresses.filter(({ host }) => !isLoopback(host));
  const first = open[0];
  if (first !== undefined && !settings.insecure) {
    throw new FatalError(
      `listener ${first.name} on ${first.host}:${first.port} would be open to other machines without authentication; listen on 127.0.0.1, or set insecure: true`,
    );
  }
  return { addresses, open };
}
