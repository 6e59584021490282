/** A control group of the kernel that bounds the memory of a process: more, and the process is killed. */
import fs from 'node:fs';
import path from 'node:path';

const ROOT = '/sys/fs/cgroup';

/** The two versions of the same thing. */
interface Files {
  readonly parent: string;
  readonly limit: string;
  /** Null: there is no swap, or it counts as memory. */
  readonly swapLimit: string | null;
  readonly used: string;
  /** Has a line `oom_kill COUNT`. */
  readonly events: string;
}

const first: Files = {
  parent: path.join(ROOT, 'memory'),
  limit: 'memory.limit_in_bytes',
  swapLimit: null,
  used: 'memory.usage_in_bytes',
  events: 'memory.oom_control',
};
const second: Files = {
  parent: ROOT,
  limit: 'memory.max',
  swapLimit: 'memory.swap.max',
  used: 'memory.current',
  events: 'memory.events',
};

const groups = new Set<MemoryGroup>();
process.on('exit', () => {
  for (const group of groups) group.remove();
});

let made = 0;

export class MemoryGroup {
  readonly #files: Files;
  readonly #path: string;

  private constructor(files: Files, directory: string) {
    this.#files = files;
    this.#path = directory;
  }

  static create(bytes: number): MemoryGroup {
    const files = filesHere();
    if (typeof files === 'string') throw new Error(`bounding memory needs ${files}`);
    const directory = path.join(files.parent, `weir-test-${process.pid}-${made++}`);
    const group = new MemoryGroup(files, directory);
    fs.mkdirSync(directory);
    groups.add(group);
    group.#write(files.limit, bytes);
    const { swapLimit } = files;
    if (swapLimit !== null && fs.existsSync(path.join(directory, swapLimit))) {
      group.#write(swapLimit, 0);
    }
    return group;
  }

  /** What stands in front of a program and its arguments to run it in here. */
  get under(): readonly string[] {
    const file = path.join(this.#path, 'cgroup.procs');
    return ['/bin/sh', '-c', 'echo $$ > "$0" && exec "$@"', file];
  }

  /** With what the system keeps of its files, and would drop if there were need. */
  get usedBytes(): number {
    return Number(this.#read(this.#files.used));
  }
  /** Processes that were killed for want of memory. */
  get kills(): number {
    return Number(/^oom_kill (\d+)$/m.exec(this.#read(this.#files.events))?.[1]);
  }

  /** Its processes must have ended. */
  remove(): void {
    if (groups.delete(this)) fs.rmdirSync(this.#path);
  }

  #read(file: string): string {
    return fs.readFileSync(path.join(this.#path, file), 'utf8');
  }
  #write(file: string, value: number): void {
    fs.writeFileSync(path.join(this.#path, file), String(value));
  }
}

/** Null, or what keeps this machine from bounding the memory of processes. */
export function memoryGroupsMissing(): string | null {
  const files = filesHere();
  return typeof files === 'string' ? files : null;
}

function filesHere(): Files | string {
  if (process.platform !== 'linux') return 'Linux';
  if (process.getuid?.() !== 0) return 'the right to make control groups';
  if (fs.existsSync(path.join(first.parent, first.limit))) return first;
  const children = path.join(ROOT, 'cgroup.subtree_control');
  if (fs.existsSync(children) && fs.readFileSync(children, 'utf8').includes('memory')) {
    return second;
  }
  return 'a control group for memory below /sys/fs/cgroup';
}
