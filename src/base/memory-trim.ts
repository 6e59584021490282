/**
 * Gives memory back to the system that a process holds and does not need, for all threads at once:
 *
 * - Holes between blocks still in use. The C library of Linux keeps them for later: after a start, 15
 *   of an idle appliance's 135 MB, and no setting that a running process can change closes them;
 *   `malloc_trim` (glibc) does.
 * - Pages of the program itself. Most of what a start runs is never run again, but what was mapped
 *   stays mapped: 50 MB. `madvise` unmaps them; what is needed comes back from the page cache, sixteen
 *   pages at a time, without reading the device.
 *
 * Both are called through Node's own foreign function interface, which is still experimental and has to
 * be asked for when a thread starts. Where one is missing nothing is given back.
 */
import { readFileSync } from 'node:fs';

const FFI_FLAG = '--experimental-ffi';

/**
 * Arguments of a thread that is to trim. None where Node does not know the flag, and none for a
 * process that was started with arguments of its own: a thread takes either those or these.
 */
export const trimArguments: readonly string[] =
  process.execArgv.length === 0 && process.allowedNodeEnvironmentFlags.has(FFI_FLAG)
    ? [FFI_FLAG, '--disable-warning=ExperimentalWarning']
    : [];

/** What of the C library is called. */
interface Library {
  malloc_trim(pad: bigint): number;
  madvise(address: bigint, length: bigint, advice: number): number;
}

/** Of Linux, on every processor. */
const MADV_DONTNEED = 4;

/** Does nothing in a thread without `trimArguments`, and on systems without these calls. */
export function memoryTrimmer(): () => void {
  let library: Library | null | undefined;
  return () => {
    if (library === undefined) library = find();
    if (library === null) return;
    library.malloc_trim(0n);
    for (const { start, end } of cleanMappings(process.execPath)) {
      library.madvise(start, end - start, MADV_DONTNEED);
    }
  };
}

function find(): Library | null {
  if (!process.execArgv.includes(FFI_FLAG)) return null;
  try {
    // By this way a Node that has no such module is no fault.
    const { dlopen } = process.getBuiltinModule('node:ffi');
    // The library (null: this program) stays open for as long as the functions are used.
    const { functions } = dlopen(null, {
      malloc_trim: { arguments: ['u64'], return: 'i32' },
      madvise: { arguments: ['pointer', 'u64', 'i32'], return: 'i32' },
    });
    return functions as unknown as Library;
  } catch {
    return null; // Another C library, which has its own ways.
  }
}

interface Mapping {
  readonly start: bigint;
  readonly end: bigint;
}

/** `start-end perms offset device inode path`, proc_pid_smaps(5). */
const HEAD = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \d+\s*(.*)$/;

/**
 * Where the file is mapped, can't be written to, and has no page that differs from the file: such a
 * page (one with addresses that were filled in when the program was loaded) can't be read again.
 */
function cleanMappings(file: string): Mapping[] {
  const found: Mapping[] = [];
  let candidate: Mapping | null = null;
  for (const line of readFileSync('/proc/self/smaps', 'latin1').split('\n')) {
    const head = HEAD.exec(line);
    if (head !== null) {
      const [, start, end, permissions, path] = head;
      const isCandidate = path === file && permissions![1] === '-' && permissions![3] === 'p';
      candidate = isCandidate ? { start: BigInt(`0x${start}`), end: BigInt(`0x${end}`) } : null;
    } else if (candidate !== null && line.startsWith('Anonymous:')) {
      if (/^Anonymous:\s+0 kB$/.test(line)) found.push(candidate);
      candidate = null;
    }
  }
  return found;
}
