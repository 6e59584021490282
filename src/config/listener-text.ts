/** The parts of a listener as Kafka writes it: `NAME://host:port`. */

/** `NAME` of `NAME://host:port`. */
export const nameOf = (listener: string): string => listener.split(':', 1)[0]!.toUpperCase();

/** A host as it stands in front of a port. */
export const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);

/** A listener, from this machine. */
export function reachable(listener: string): string {
  const [, host = '', port = '9092'] = /^[^:]+:\/\/(.*):(\d+)$/.exec(listener) ?? [];
  const everywhere = host === '' || host === '0.0.0.0' || host === '[::]';
  return `${everywhere ? '127.0.0.1' : host}:${port}`;
}
