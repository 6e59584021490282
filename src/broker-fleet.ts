/**
 * The appliance's own brokers: one thread each, all started at once, each kept alive by a
 * supervisor of its own.
 *
 * Every log directory is locked before anything is written to it, so that a broker runs once,
 * whether the process of the appliance runs it or one of its own. What all of them must agree on
 * (which cluster they are) is written before the first of them starts, under a lock in the
 * appliance's data folder.
 *
 * A lone broker is essential: without it there is no start. Of several, a majority is: a broker
 * whose disk is dead is red, is tried again ever more seldom, and keeps nobody from starting.
 */

import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { applianceSecret } from './base/appliance-secret.ts';
import { type Clock, sleep, type Timer } from './base/clock.ts';
import {
  type DataDirectory,
  DataDirectoryInUse,
  openDataDirectory,
} from './base/data-directory.ts';
import { FatalError, reasonOf } from './base/errors.ts';
import type { LogLevel } from './base/logger.ts';
import { nodeDisk } from './base/node-disk.ts';
import { systemRandom } from './base/random.ts';
import { RoleSupervisor } from './base/role-supervisor.ts';
import type { SpareThread } from './base/spare-thread.ts';
import { formatCluster } from './cluster/quorum/format.ts';
import { type BrokerSettings, withPorts } from './config/broker-list.ts';
import type { Settings } from './config/settings.ts';
import type { RoleReport } from './console/status.ts';
import { readMetaProperties } from './log/meta-properties.ts';
import type { ApplianceLog } from './observe/logger.ts';
import type { Exposition } from './observe/merge-exposition.ts';
import { withRequestShare } from './request-share.ts';
import type { ThreadKind } from './role-threads.ts';

const FORMAT_LOCK_FILE = 'format.lock';
/** Other processes hold the lock for a moment at their start. */
const FORMAT_LOCK_MS_MAX = 30_000;
const FORMAT_LOCK_POLL_MS = 50;

/** Once a majority runs, a start waits no longer than this for the others. */
const STRAGGLER_MS_MAX = 30_000;

/** How often a start that takes long says so. */
const WAIT_TOLD_MS = 10_000;

export interface FleetOptions {
  readonly thread: ThreadKind;
  /** A thread of that kind for the first broker. */
  readonly spare?: SpareThread;
  readonly log: ApplianceLog;
  readonly clock: Clock;
}

interface Member {
  readonly id: number;
  readonly supervisor: RoleSupervisor<Settings>;
  readonly folders: Folders;
}

/** The log directories of one broker. */
interface Folders {
  readonly dirs: readonly string[];
  readonly locks: Map<string, DataDirectory>;
  /** Whether the thread that is started next finds them as they were formatted just now. */
  fresh: boolean;
}

export class BrokerFleet {
  readonly #options: FleetOptions;
  readonly #members: Member[] = [];

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  /** In the order of the configuration; only those of this process. */
  get brokers(): readonly { readonly id: number; readonly supervisor: RoleSupervisor<Settings> }[] {
    return this.#members;
  }

  /**
   * Resolves, with the ports that were taken, when the brokers of this process serve, or a majority
   * of them does and the others may later. Rejects with a FatalError when that can't be.
   */
  async start(settings: Settings): Promise<Settings> {
    let resolved = await withFreePorts(settings);
    if (!resolved.brokers.some(({ here }) => here)) return resolved;
    resolved = { ...resolved, secret: await this.#withFormatLock(resolved, openSecret) };
    for (const broker of resolved.brokers) {
      if (broker.here) this.#members.push(this.#member(broker, resolved));
    }
    this.#lockAll();
    await this.#withFormatLock(resolved, (all) => this.#format(all));
    await this.#startAll();
    return resolved;
  }

  /** All at once, bounded by `withinMs`. Resolves to whether all finished by themselves. */
  async stop(withinMs: number): Promise<boolean> {
    const ends = this.#members.map(({ supervisor }) => supervisor.stop(withinMs));
    const finished = await Promise.all(ends);
    this.release();
    return finished.every(Boolean);
  }

  /** Gives the locks back. Idempotent. */
  release(): void {
    for (const { folders } of this.#members) {
      const { locks } = folders;
      for (const lock of locks.values()) lock.release();
      locks.clear();
    }
  }

  /** Never rejects. */
  reports(): Promise<RoleReport[]> {
    const reports = this.#members.map(async ({ supervisor }) => ({
      name: supervisor.name,
      ...(await supervisor.status()),
    }));
    return Promise.all(reports);
  }

  /** Why this process's brokers do not serve; empty when a majority of them does. */
  async notReady(): Promise<string[]> {
    const reports = await this.reports();
    const red = reports.filter(({ light }) => light === 'red');
    if (reports.length - red.length >= majorityOf(reports.length)) return [];
    return red.map(({ name, reason }) => `${name}: ${reason}`);
  }

  /** Metrics of the broker's thread, told apart from those of the others. */
  async metrics(id: number): Promise<Exposition> {
    const member = this.#members.find((candidate) => candidate.id === id)!;
    const text = await member.supervisor.metrics();
    return { text, labels: [['broker', String(id)]] };
  }

  #member(broker: BrokerSettings, settings: Settings): Member {
    const { thread, spare, log, clock } = this.#options;
    const folders: Folders = { dirs: broker.dirs, locks: new Map(), fresh: false };
    const here = settings.brokers.filter((other) => other.here).length;
    const supervisor = new RoleSupervisor<Settings>({
      name: broker.role,
      entry: thread.entry,
      settings: { ...settings, broker: withRequestShare(broker.given, here) },
      logger: log.roles,
      logLevel: settings.values['log.level'] as LogLevel,
      clock,
      resourceLimits: thread.limits,
      ...(spare === undefined || this.#members.length > 0 ? {} : { spare }),
      essential: here === 1,
      prepare: () => {
        lock(folders);
        // A disk may have been dead at the start and be there now, or be another one.
        if (!folders.fresh) locked(settings, () => this.#format(settings));
        folders.fresh = false;
      },
    });
    return { id: broker.id, supervisor, folders };
  }

  /** A folder that another process uses ends the start; one that is broken ends only its broker's. */
  #lockAll(): void {
    for (const { folders } of this.#members) {
      try {
        lock(folders);
      } catch (error) {
        if (error instanceof DataDirectoryInUse || this.#members.length === 1) throw error;
      }
    }
  }

  /** Once no other process has the lock. */
  async #withFormatLock<T>(settings: Settings, action: (settings: Settings) => T): Promise<T> {
    const { clock } = this.#options;
    const deadline = clock.monotonic() + FORMAT_LOCK_MS_MAX;
    for (;;) {
      try {
        return locked(settings, () => action(settings));
      } catch (error) {
        if (!(error instanceof DataDirectoryInUse) || clock.monotonic() >= deadline) throw error;
        await sleep(clock, FORMAT_LOCK_POLL_MS);
      }
    }
  }

  /**
   * Of all brokers whose folders can be used: the others have theirs done when they can be again. A
   * cluster is founded only where a majority of the brokers can be seen to have none.
   */
  #format({ brokers }: Settings): void {
    const usable = brokers.filter(({ dirs }) => dirs.every(isUsable));
    const isKnown = brokers.some(({ dirs }) => dirs.some((dir) => isUsable(dir) && hasOwner(dir)));
    if (!isKnown && usable.length < majorityOf(brokers.length)) {
      throw new FatalError(
        `the folders of ${usable.length} of ${brokers.length} brokers can be used, and none of them tells which cluster it is`,
      );
    }
    formatCluster({
      disk: nodeDisk,
      random: systemRandom,
      brokers: usable.map(({ id, dirs }) => ({ id, dirs })),
    });
    for (const { id, folders } of this.#members) {
      folders.fresh = usable.some((broker) => broker.id === id);
    }
  }

  async #startAll(): Promise<void> {
    const needed = majorityOf(this.#members.length);
    let running = 0;
    let failed = 0;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const give = (): void => reject(this.#failure(running, needed));
    const starts = this.#members.map(async ({ supervisor }) => {
      await supervisor.start();
      if (supervisor.state === 'running') running += 1;
      else failed += 1;
      if (failed > this.#members.length - needed) give();
      if (running + failed === this.#members.length) resolve();
      else if (running === needed) {
        await sleep(this.#options.clock, STRAGGLER_MS_MAX);
        resolve();
      }
    });
    for (const start of starts) start.catch(reject);
    const telling = this.#tellOfWaits();
    await promise.finally(() => telling.cancel());
  }

  /** A start that takes long says what it waits for: logs to recover, or brokers that are not there. */
  #tellOfWaits(): Timer {
    const { clock, log } = this.#options;
    const tell = (): Timer =>
      clock.after(WAIT_TOLD_MS, () => {
        const waiting = this.#members.filter(({ supervisor }) => supervisor.state === 'starting');
        log.logger.warn(
          'brokers are still starting: they recover logs, or wait until a majority of the voters of their cluster runs',
          { 'weir.roles': waiting.map(({ supervisor }) => supervisor.name).join(', ') },
        );
        timer = tell();
      });
    let timer = tell();
    return { cancel: () => timer.cancel() };
  }

  #failure(running: number, needed: number): FatalError {
    const reasons = this.#members
      .filter(({ supervisor }) => supervisor.reason !== '')
      .map(({ supervisor: { name, reason } }) => `\n  ${name}: ${reason.split('\n', 1)[0]}`);
    const count = this.#members.length;
    return new FatalError(
      `${running} of ${count} brokers can start, and ${needed} are needed:${reasons.join('')}`,
    );
  }
}

export const majorityOf = (count: number): number => Math.floor(count / 2) + 1;

/** A folder that is broken is left to the broker, which goes on without it, unless it has no other. */
function lock({ dirs, locks }: Folders): void {
  let broken: unknown = null;
  for (const dir of dirs) {
    if (locks.get(dir)?.isHeld() === true) continue;
    locks.delete(dir);
    try {
      locks.set(dir, openDataDirectory(dir));
    } catch (error) {
      if (error instanceof DataDirectoryInUse) throw error;
      broken = error;
    }
  }
  if (locks.size === 0) throw broken;
}

/** Runs `action` while no other process formats. Throws DataDirectoryInUse when one does. */
function locked<T>({ dataDir }: Settings, action: () => T): T {
  const formatLock = openDataDirectory(dataDir, FORMAT_LOCK_FILE);
  try {
    return action();
  } finally {
    formatLock.release();
  }
}

const openSecret = ({ dataDir }: Settings): string =>
  applianceSecret(nodeDisk, systemRandom, dataDir);

function isUsable(dir: string): boolean {
  try {
    nodeDisk.makeDirectory(dir);
    readMetaProperties(nodeDisk, dir);
    return true;
  } catch {
    // Its own broker says what is wrong with it.
    return false;
  }
}

const hasOwner = (dir: string): boolean => readMetaProperties(nodeDisk, dir) !== null;

/**
 * Several brokers must know each other's ports before the first of them listens, so port 0 is
 * resolved here: all are taken at once, which makes them differ, and given back at once. A lone
 * broker takes any port itself.
 */
async function withFreePorts(settings: Settings): Promise<Settings> {
  const { brokers } = settings;
  if (brokers.length < 2 || !brokers.some(({ address }) => address.endsWith(':0'))) return settings;
  const servers = brokers.map(() => createServer());
  try {
    const ports = await Promise.all(
      brokers.map(async ({ address }, i) => {
        const port = Number(address.slice(address.lastIndexOf(':') + 1));
        if (port !== 0) return port;
        const host = address.slice(0, address.lastIndexOf(':')).replaceAll(/[[\]]/g, '');
        const server = servers[i]!;
        await new Promise<void>((resolve, reject) => {
          server.once('error', reject).listen(0, host, resolve);
        });
        return (server.address() as AddressInfo).port;
      }),
    );
    const resolved = withPorts(brokers, ports);
    return {
      ...settings,
      brokers: resolved,
      bootstrap: resolved.map(({ address }) => address),
      broker: resolved[0]!.given,
    };
  } catch (error) {
    throw new FatalError(`no free port for the brokers: ${reasonOf(error)}`);
  } finally {
    for (const server of servers) server.close();
  }
}
