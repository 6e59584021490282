/**
 * Addresses of clients as Kafka writes them: IPv4 dotted, IPv6 as eight groups without leading zeros
 * and without `::` (Java's `getHostAddress`). ACLs are compared by that text.
 */
const GROUPS = 8;

/** The text of an address in Kafka's form; what is no IPv6 address stays as it is. */
export function hostText(host: string): string {
  const groups = host.includes(':') ? ipv6Groups(host) : null;
  return groups === null ? host : groups.map((group) => group.toString(16)).join(':');
}

/** 4 or 16 bytes; four zeros for what is no address. */
export function hostBytes(host: string): Buffer {
  const dotted = host.split('.').map(Number);
  if (dotted.length === 4 && dotted.every((part) => Number.isInteger(part) && part < 256)) {
    return Buffer.from(dotted);
  }
  const groups = host.includes(':') ? ipv6Groups(host) : null;
  return groups === null
    ? Buffer.alloc(4)
    : Buffer.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/** Throws RangeError unless there are 4 or 16 bytes. */
export function hostOfBytes(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 2 * GROUPS) throw new RangeError(`an address of ${bytes.length} bytes`);
  const group = (i: number): string => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16);
  return Array.from({ length: GROUPS }, (_, i) => group(i)).join(':');
}

/** Null: it is none. A zone (`%eth0`) is left out. */
function ipv6Groups(text: string): number[] | null {
  const [head = '', tail, more] = (text.split('%')[0] ?? '').split('::');
  if (more !== undefined) return null;
  const groupsOf = (part: string): number[] =>
    part === ''
      ? []
      : part
          .split(':')
          .map((g) => (/^[0-9a-f]{1,4}$/i.test(g) ? Number.parseInt(g, 16) : Number.NaN));
  const before = groupsOf(head);
  const after = tail === undefined ? [] : groupsOf(tail);
  const missing = GROUPS - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return null;
  const groups = [...before, ...Array.from({ length: missing }, () => 0), ...after];
  return groups.every((group) => !Number.isNaN(group)) ? groups : null;
}
