/**
 * How many files and sockets this process may have open, and who stops before the last of them are
 * taken, so that those who are served go on being served: files are opened by and by for what is
 * there already (the next segment of a log, a checkpoint). Connections leave an eighth for that, and
 * logs that are new another eighth for connections.
 *
 * A new descriptor has the lowest number that is free: a high one tells that few are left.
 */
import fs from 'node:fs';

/** Of each eighth, at most. */
const RESERVE_MAX = 256;
const EIGHTH = 8;

export interface DescriptorBounds {
  /** The first number that is too high for a connection. */
  readonly connections: number;
  /** The same for the log of a partition. */
  readonly logs: number;
  /** Files that may be kept open only because they may be needed again. */
  readonly idle: number;
}

export function descriptorBounds(limit: number): DescriptorBounds {
  const reserve = Math.min(Math.floor(limit / EIGHTH), RESERVE_MAX);
  return {
    connections: limit - reserve,
    logs: limit - 2 * reserve,
    idle: Math.floor(reserve / 2),
  };
}

/** Infinite where the system does not tell. */
function descriptorsMax(): number {
  try {
    const limits = fs.readFileSync('/proc/self/limits', 'utf8');
    return Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  } catch {
    return Number.POSITIVE_INFINITY; // Not Linux.
  }
}

/** Of this process. */
export const bounds = descriptorBounds(descriptorsMax());

/** What the system says when there are none at all. */
export const outOfDescriptors = (): Error =>
  Object.assign(new Error('EMFILE: too many open files and connections'), { code: 'EMFILE' });
