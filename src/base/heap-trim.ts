/**
 * Gives the memory that was freed between blocks still in use back to the system. The C library of
 * Linux keeps it for later: after a start, 15 of an idle appliance's 135 MB are such holes, and no
 * setting that a running process can change closes them. `malloc_trim` (glibc) does, for all threads
 * at once; it is called through Node's own foreign function interface, which is still experimental
 * and has to be asked for when a thread starts. Where either is missing nothing is given back.
 */
const FFI_FLAG = '--experimental-ffi';

/**
 * Arguments of a thread that is to trim. None where Node does not know the flag, and none for a
 * process that was started with arguments of its own: a thread takes either those or these.
 */
export const trimArguments: readonly string[] =
  process.execArgv.length === 0 && process.allowedNodeEnvironmentFlags.has(FFI_FLAG)
    ? [FFI_FLAG, '--disable-warning=ExperimentalWarning']
    : [];

type Trim = (pad: bigint) => number;

/** Does nothing in a thread without `trimArguments`, and on systems without `malloc_trim`. */
export function heapTrimmer(): () => void {
  let trim: Trim | null | undefined;
  return () => {
    if (trim === undefined) trim = find();
    trim?.(0n);
  };
}

function find(): Trim | null {
  if (!process.execArgv.includes(FFI_FLAG)) return null;
  try {
    // By this way a Node that has no such module is no fault.
    const { dlopen } = process.getBuiltinModule('node:ffi');
    // The library (null: this program) stays open for as long as the function is used.
    const { functions } = dlopen(null, { malloc_trim: { arguments: ['u64'], return: 'i32' } });
    return functions.malloc_trim as Trim;
  } catch {
    return null; // Another C library, which has its own ways.
  }
}
