/**
 * The secret of an appliance: random, made once, in a file of its data folder that its user alone
 * reads. Its parts prove to each other with it that they belong together. When it is lost, the next
 * start makes another; processes that have the old one must start anew, too.
 */
import { join } from 'node:path';
import type { Disk } from './disk.ts';
import { FatalError } from './errors.ts';
import type { Random } from './random.ts';

export const SECRET_FILE = 'internal.secret';

const SECRET_BYTES = 32;
const FORM = /^[A-Za-z0-9_-]{43}$/;

/** Null: there is none. Throws FatalError on a file that holds something else. */
export function readSecret(disk: Pick<Disk, 'readFile'>, dataDir: string): string | null {
  const path = join(dataDir, SECRET_FILE);
  const text = disk.readFile(path)?.toString('latin1').trim() ?? null;
  if (text !== null && !FORM.test(text)) {
    throw new FatalError(
      `${path} is damaged: expected 43 characters of base64url; remove it, and a start makes another`,
    );
  }
  return text;
}

/** Makes it when it is not there; one process at a time. */
export function applianceSecret(disk: Disk, random: Random, dataDir: string): string {
  const known = readSecret(disk, dataDir);
  if (known !== null) return known;
  const bytes = Buffer.alloc(SECRET_BYTES);
  random.fill(bytes);
  const secret = bytes.toString('base64url');
  disk.replaceFile(join(dataDir, SECRET_FILE), Buffer.from(`${secret}\n`));
  return secret;
}
