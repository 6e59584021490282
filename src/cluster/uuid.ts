import type { Random } from '../base/random.ts';

/** A random id (RFC 9562, version 4) as Kafka prints them; never one that begins with a hyphen. */
export function randomUuid(random: Random): string {
  const bytes = Buffer.alloc(16);
  for (;;) {
    random.fill(bytes);
    bytes[6] = (bytes[6]! & 0x0f) | 0x40;
    bytes[8] = (bytes[8]! & 0x3f) | 0x80;
    const text = bytes.toString('base64url');
    // Tools would take it for an option.
    if (!text.startsWith('-')) return text;
  }
}
