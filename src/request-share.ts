/**
 * How much of the memory that this process may take the requests of its brokers get, where nobody has
 * said so: an eighth, for all of them together, and never more than the default. On a small machine,
 * or in a small container, the default alone would be all there is, and a burst of large requests
 * the end of the process.
 */
import { totalmem } from 'node:os';
import { brokerKey } from './config/broker-keys.ts';
import type { BrokerSettings } from './config/broker-list.ts';

const KEY = 'queued.max.request.bytes';
const SHARE = 8;

type Given = BrokerSettings['given'];

/** A broker's settings, with its share where that is less than the default. */
export function withRequestShare(given: Given, brokers: number, bytes = memoryBytes()): Given {
  const { default: most, min } = brokerKey(KEY)!;
  if (given[KEY] !== undefined && given[KEY] !== null) return given;
  const share = Math.floor(bytes / SHARE / brokers);
  return share < Number(most) ? { ...given, [KEY]: Math.max(share, min!) } : given;
}

/** Of the machine, or what the process is confined to. */
const memoryBytes = (): number => Math.min(totalmem(), process.constrainedMemory() || Infinity);
