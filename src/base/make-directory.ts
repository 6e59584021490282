/** Makes folders with those above them. */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf } from './errors.ts';

/**
 * Makes the folder, and those above it that are missing; one that is there stays as it is. Throws the
 * system's error. Not Node's own `recursive`, which never ends where a folder is there and yet has
 * no room for another: below /proc that is ENOENT, and it makes the parent again and again.
 */
export function makeDirectory(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (isDirectory(path)) return;
    const above = dirname(path);
    if (codeOf(error) !== 'ENOENT' || existsSync(above)) throw error;
    makeDirectory(above, mode);
    makeDirectory(path, mode);
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
