/**
 * The folder that holds everything the appliance keeps: made with mode 0700, and used by one
 * process at a time. The lock is a file that names its holder by process id and by the moment that
 * process started, so that a lock left by a killed process (even one whose id was given away
 * again, or a container's eternal 1) is known to be stale and taken over.
 */
import { closeSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, FatalError, reasonOf } from './errors.ts';
import { makeDirectory } from './make-directory.ts';

const LOCK_FILE = 'weir.lock';

/** Attempts to take over a stale lock while others do the same. */
const ATTEMPTS_MAX = 5;

interface Holder {
  readonly pid: number;
  /** Tells two processes of one id apart; '' where the system does not say. */
  readonly started: string;
}

export interface DataDirectory {
  readonly path: string;
  /** Whether the lock is still there: a disk that was taken away took it along. */
  isHeld(): boolean;
  /** Gives the lock back. Idempotent. */
  release(): void;
}

/** Another process has it: nothing here is broken. */
export class DataDirectoryInUse extends FatalError {
  override name = 'DataDirectoryInUse';
}

/** Throws a FatalError when the folder can't be used, DataDirectoryInUse when another process does. */
export function openDataDirectory(path: string, lockFile: string = LOCK_FILE): DataDirectory {
  try {
    makeDirectory(path, 0o700);
  } catch (error) {
    throw new FatalError(
      `can't use the data folder ${path}: ${reasonOf(error)}; choose another with --data`,
    );
  }
  const file = join(path, lockFile);
  const own: Holder = { pid: process.pid, started: startedAt(process.pid) };
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    if (create(file, own)) {
      return { path, isHeld: () => isOwn(read(file), own), release: () => release(file, own) };
    }
    const holder = read(file);
    if (holder !== null && lives(holder)) {
      throw new DataDirectoryInUse(
        `the data folder ${path} is in use by process ${holder.pid}; stop that one, or choose another folder with --data`,
      );
    }
    unlink(file);
  }
  throw new FatalError(`can't take the lock ${file}: other processes take it, too`);
}

function create(file: string, own: Holder): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'wx', 0o600);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw new FatalError(`can't write the lock ${file}: ${reasonOf(error)}`);
  }
  try {
    writeSync(descriptor, JSON.stringify(own));
  } finally {
    closeSync(descriptor);
  }
  // Another process may have judged the old lock stale, too, and have removed ours for it.
  return isOwn(read(file), own);
}

function read(file: string): Holder | null {
  try {
    const { pid, started } = JSON.parse(readFileSync(file, 'utf8')) as Partial<Holder>;
    return typeof pid === 'number' && typeof started === 'string' ? { pid, started } : null;
  } catch {
    // Absent, or cut short by a crash: nobody holds it.
    return null;
  }
}

function lives({ pid, started }: Holder): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, and belongs to another user.
    if (codeOf(error) === 'ESRCH') return false;
  }
  return started === startedAt(pid);
}

/** Clock ticks from the system's start to the process's, and which start of the system it was. */
function startedAt(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field, in parentheses, may hold spaces and parentheses itself.
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    return `${boot}/${ticks}`;
  } catch {
    return '';
  }
}

const isOwn = (holder: Holder | null, own: Holder): boolean =>
  holder?.pid === own.pid && holder.started === own.started;

function release(file: string, own: Holder): void {
  if (!isOwn(read(file), own)) return;
  try {
    unlinkSync(file);
  } catch {
    // The disk has failed; whoever comes next sees that the holder is gone.
  }
}

function unlink(file: string): void {
  try {
    unlinkSync(file);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') {
      throw new FatalError(`can't take the lock ${file}: ${reasonOf(error)}`);
    }
  }
}
