/** libfaketime, which tells a process another wall clock than the machine's: Debian package faketime. */
import fs from 'node:fs';
import path from 'node:path';

const NAME = 'faketime/libfaketimeMT.so.1';

function library(): string | null {
  const folders = fs.existsSync('/usr/lib') ? fs.readdirSync('/usr/lib') : [];
  const found = folders.map((folder) => path.join('/usr/lib', folder, NAME));
  return found.find((file) => fs.existsSync(file)) ?? null;
}

/** Null, or what is missing. */
export const fakeTimeMissing = (): string | null =>
  library() === null ? '`libfaketime` (Debian package faketime)' : null;

/**
 * The environment of a process whose wall clock is what `file` says: `+3d`, `-1h`, as it changes.
 * Its monotonic clock and the times of files are the machine's.
 */
export function fakeTime(file: string): Readonly<Record<string, string>> {
  const loaded = library();
  if (loaded === null) throw new Error(`another clock needs ${fakeTimeMissing()}`);
  return {
    LD_PRELOAD: loaded,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_CACHE_DURATION: '1',
    DONT_FAKE_MONOTONIC: '1',
    NO_FAKE_STAT: '1',
  };
}
