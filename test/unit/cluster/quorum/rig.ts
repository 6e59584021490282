/**
 * A metadata quorum in one process: every member on a disk of its own that can lose power, a clock
 * that only the test moves, and a network that delays, reorders, drops and partitions.
 */
import type { Clock, Timer } from '../../../../src/base/clock.ts';
import type { Disk, DiskFile } from '../../../../src/base/disk.ts';
import { OperatingError } from '../../../../src/base/errors.ts';
import { silentLogger } from '../../../../src/base/logger.ts';
import { below, type Random, seededRandom } from '../../../../src/base/random.ts';
import type { Call } from '../../../../src/client/call.ts';
import type { MetadataRecord } from '../../../../src/cluster/metadata-records.ts';
import type { Channel, Peers } from '../../../../src/cluster/peers.ts';
import type { QuorumSettings } from '../../../../src/cluster/quorum/context.ts';
import { formatCluster } from '../../../../src/cluster/quorum/format.ts';
import { MetadataQuorum } from '../../../../src/cluster/quorum/metadata-quorum.ts';
import { METADATA_TOPIC } from '../../../../src/cluster/topic-names.ts';
import { defaultLogConfig } from '../../../../src/log/log-config.ts';
import { LogManager } from '../../../../src/log/log-manager.ts';
import type { PartitionLog } from '../../../../src/log/partition-log.ts';
import { decode, encode } from '../../../../src/protocol/codec.ts';
import type { Message } from '../../../../src/protocol/schema.ts';
import { FaultyDisk } from '../../../support/faulty-disk.ts';

const METADATA_TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';
export const FOLDER = '/data';

/** Time that goes from timer to timer. */
export class StepClock implements Clock {
  #nowMs = 0;
  #timers: { at: number; action: () => void }[] = [];

  now(): number {
    return 1_700_000_000_000 + Math.floor(this.#nowMs);
  }
  monotonic(): number {
    return this.#nowMs;
  }
  after(delayMs: number, action: () => void): Timer {
    const timer = { at: this.#nowMs + Math.max(0, delayMs), action };
    this.#timers.push(timer);
    return {
      cancel: () => {
        const at = this.#timers.indexOf(timer);
        if (at >= 0) this.#timers.splice(at, 1);
      },
    };
  }
  get pending(): number {
    return this.#timers.length;
  }
  /** Goes to the next timer, but not beyond `untilMs`; false: there was none. */
  step(untilMs: number): boolean {
    let next = -1;
    for (let i = 0; i < this.#timers.length; i++) {
      if (next < 0 || this.#timers[i]!.at < this.#timers[next]!.at) next = i;
    }
    if (next < 0 || this.#timers[next]!.at > untilMs) {
      this.#nowMs = untilMs;
      return false;
    }
    const [timer] = this.#timers.splice(next, 1);
    this.#nowMs = timer!.at;
    timer!.action();
    return true;
  }
}

/** A disk whose syncs take time, so that a crash comes between a write and its sync. */
class SlowDisk implements Disk {
  readonly #disk: FaultyDisk;
  readonly #clock: Clock;
  readonly #delayMs: () => number;

  constructor(disk: FaultyDisk, clock: Clock, delayMs: () => number) {
    this.#disk = disk;
    this.#clock = clock;
    this.#delayMs = delayMs;
  }
  open(path: string, mode: 'read' | 'create'): DiskFile {
    const file = this.#disk.open(path, mode);
    const clock = this.#clock;
    const delayMs = this.#delayMs;
    return {
      path,
      write: (chunks, position) => file.write(chunks, position),
      read: (into, offset, length, position) => file.read(into, offset, length, position),
      readLater: (into, length, position) => file.readLater(into, length, position),
      sync: async () => {
        // What is written from here on is not in it.
        const synced = file.sync.bind(file);
        await new Promise<void>((resolve) => clock.after(delayMs(), resolve));
        await synced();
      },
      syncNow: () => file.syncNow(),
      truncate: (size) => file.truncate(size),
      size: () => file.size(),
      close: () => file.close(),
    };
  }
  list(directory: string): string[] {
    return this.#disk.list(directory);
  }
  exists(path: string): boolean {
    return this.#disk.exists(path);
  }
  makeDirectory(path: string): void {
    this.#disk.makeDirectory(path);
  }
  rename(from: string, to: string): void {
    this.#disk.rename(from, to);
  }
  remove(path: string): void {
    this.#disk.remove(path);
  }
  removeDirectory(path: string): void {
    this.#disk.removeDirectory(path);
  }
  removeLater(path: string): Promise<void> {
    return this.#disk.removeLater(path);
  }
  readFile(path: string): Buffer | null {
    return this.#disk.readFile(path);
  }
  replaceFile(path: string, bytes: Uint8Array): void {
    this.#disk.replaceFile(path, bytes);
  }
  syncDirectory(path: string): void {
    this.#disk.syncDirectory(path);
  }
  syncDirectoryLater(path: string): Promise<void> {
    return this.#disk.syncDirectoryLater(path);
  }
  modifiedAt(path: string): number {
    return this.#disk.modifiedAt(path);
  }
  space(): { freeBytes: number; totalBytes: number } {
    return this.#disk.space();
  }
}

export interface Member {
  readonly id: number;
  disk: FaultyDisk;
  /** Null while it is down. */
  quorum: MetadataQuorum | null;
  manager: LogManager | null;
  log: PartitionLog | null;
  directoryId: string;
  /** Starts so far; what belongs to an earlier life is not delivered. */
  life: number;
  fatal: Error | null;
}

/** How the network behaves from now on. */
export interface Weather {
  /** Of each message, milliseconds. */
  delayMs: number;
  /** Share of messages that are lost. */
  loss: number;
  /** Pairs `a-b` that don't hear each other; `a>b`: b does not hear a. */
  readonly cut: Set<string>;
}

export interface RigOptions {
  readonly members: number;
  readonly seed?: number;
  readonly settings?: Partial<QuorumSettings>;
  /** Observers besides the members that are formatted. */
  readonly joining?: number;
  /** Longest sync, milliseconds. */
  readonly syncMs?: number;
}

export const SETTINGS: QuorumSettings = {
  fetchTimeoutMs: 700,
  electionTimeoutMs: 300,
  snapshotBytes: 1e9,
  snapshotMs: 0,
};

export class QuorumRig {
  readonly clock = new StepClock();
  readonly random: Random;
  readonly members: Member[] = [];
  readonly weather: Weather = { delayMs: 1, loss: 0, cut: new Set() };
  readonly clusterId: string;
  readonly #options: RigOptions;
  /** Called after every step of time. */
  afterStep: () => void = () => {};

  constructor(options: RigOptions) {
    this.#options = options;
    this.random = seededRandom(options.seed ?? 1);
    const count = options.members + (options.joining ?? 0);
    for (let id = 0; id < count; id++) {
      const disk = new FaultyDisk(this.clock);
      this.members.push({
        id,
        disk,
        quorum: null,
        manager: null,
        log: null,
        directoryId: '',
        life: 0,
        fatal: null,
      });
    }
    const brokers = this.members
      .slice(0, options.members)
      .map(({ id }) => ({ id, dirs: [`/${id}`] }));
    this.clusterId = formatCluster({
      disk: routed((id) => this.members[id]!.disk),
      random: this.random,
      brokers,
    }).clusterId;
  }

  member(id: number): Member {
    return this.members[id]!;
  }
  quorum(id: number): MetadataQuorum {
    const { quorum } = this.member(id);
    if (quorum === null) throw new Error(`member ${id} is down`);
    return quorum;
  }
  get running(): Member[] {
    return this.members.filter(({ quorum }) => quorum !== null);
  }
  /** The active controller; the one of the latest epoch. */
  get active(): Member | null {
    const active = this.running.filter(({ quorum }) => quorum!.isActive);
    active.sort((a, b) => b.quorum!.epoch - a.quorum!.epoch);
    return active[0] ?? null;
  }

  async start(id: number): Promise<MetadataQuorum> {
    const member = this.member(id);
    const { clock, random, clusterId } = this;
    member.life++;
    const { syncMs = 0 } = this.#options;
    const disk = new SlowDisk(member.disk, clock, () => (syncMs === 0 ? 0 : below(random, syncMs)));
    const manager = new LogManager({
      disk,
      clock,
      random,
      logger: silentLogger,
      dirs: [FOLDER],
      brokerId: id,
      clusterId,
      configFor: () => ({ ...defaultLogConfig, retentionMs: -1, fileDeleteDelayMs: 10 }),
      retentionCheckMs: 1e9,
      checkpointMs: 200,
    });
    await manager.start();
    const log =
      manager.get(METADATA_TOPIC, 0) ?? manager.create(METADATA_TOPIC, METADATA_TOPIC_ID, 0);
    member.manager = manager;
    member.log = log;
    member.directoryId = manager.directories()[0]!.directoryId;
    const quorum = new MetadataQuorum({
      nodeId: id,
      directoryId: member.directoryId,
      log,
      disk,
      clock,
      random,
      logger: silentLogger,
      peers: this.#peers(member),
      settings: { ...SETTINGS, ...this.#options.settings },
      clusterId,
      brokers: this.members.map((other) => other.id),
      alone: this.members.length === 1,
      onFatal: (error) => {
        member.fatal = error;
      },
    });
    member.quorum = quorum;
    await this.during(quorum.start());
    return quorum;
  }

  async startAll(): Promise<void> {
    for (const { id } of this.members) await this.start(id);
  }

  /** The process is gone; what it wrote to its files is still there. */
  kill(id: number): void {
    const member = this.member(id);
    member.quorum?.abandon();
    member.manager?.abandon();
    member.quorum = null;
    member.manager = null;
    member.log = null;
    member.life++;
    this.#connectionsLost(id);
  }

  /** The same, and what was not synced is lost or not. */
  cutPower(id: number): void {
    this.kill(id);
    this.member(id).disk.crash(this.random);
  }

  async stop(id: number): Promise<void> {
    const member = this.member(id);
    const { quorum, manager } = member;
    await this.during(quorum!.stop());
    await this.during(manager!.stop());
    member.quorum = null;
    member.manager = null;
    member.log = null;
    member.life++;
    this.#connectionsLost(id);
  }

  /** A new disk in place of the one that the member had. */
  replaceDisk(id: number): void {
    this.kill(id);
    this.member(id).disk = new FaultyDisk(this.clock);
  }

  /** Lets the time go on. */
  async run(ms: number): Promise<void> {
    const until = this.clock.monotonic() + ms;
    await settled();
    while (this.clock.step(until)) {
      await settled();
      this.afterStep();
    }
  }

  /** Lets the time go on until it holds. */
  async until(condition: () => boolean, what: string, withinMs = 20_000): Promise<void> {
    const end = this.clock.monotonic() + withinMs;
    await settled();
    while (!condition()) {
      if (this.clock.monotonic() >= end || !this.clock.step(end)) {
        if (condition()) return;
        throw new Error(`not within ${withinMs} ms: ${what}\n${this.describe()}`);
      }
      await settled();
      this.afterStep();
    }
  }

  /** Lets the time go on until the promise is settled. */
  async during<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    const settle = (): void => {
      isDone = true;
    };
    promise.then(settle, settle);
    await this.until(() => isDone, 'the promise');
    return promise;
  }

  async leader(): Promise<Member> {
    await this.until(() => this.active !== null, 'a leader');
    return this.active!;
  }

  describe(): string {
    return this.members
      .map(({ id, quorum, fatal }) =>
        quorum === null
          ? `${id}: down`
          : `${id}: ${quorum.state} epoch ${quorum.epoch} leader ${quorum.leaderId} log ${quorum.logStartOffset}-${quorum.logEndOffset}@${quorum.logEndEpoch} hw ${quorum.highWatermark} voters ${quorum.voters.map((v) => v.id).join(',')}${fatal === null ? '' : ` FATAL ${fatal.message}`}`,
      )
      .join('\n');
  }

  #connectionsLost(id: number): void {
    for (const member of this.running) {
      if (member.id !== id) this.#tellLost(member, id);
    }
  }

  readonly #lostListeners = new Map<number, ((id: number, channel: Channel) => void)[]>();

  #tellLost(member: Member, id: number): void {
    const { life } = member;
    this.clock.after(below(this.random, 3), () => {
      if (member.life !== life) return;
      for (const listener of this.#lostListeners.get(member.id) ?? []) listener(id, 'metadata');
    });
  }

  #peers(from: Member): Peers {
    const { life } = from;
    this.#lostListeners.set(from.id, []);
    return {
      send: (nodeId, _channel, call, body, timeoutMs) =>
        this.#send(from, life, nodeId, call, body, timeoutMs),
      onLost: (listener) => {
        this.#lostListeners.get(from.id)!.push(listener);
      },
      setAddress: () => {},
      close: () => {},
    };
  }

  #hears(from: number, to: number): boolean {
    const { cut } = this.weather;
    const pair = from < to ? `${from}-${to}` : `${to}-${from}`;
    return !cut.has(pair) && !cut.has(`${from}>${to}`);
  }

  /** Delivers later, or never. */
  #carry(from: number, to: number, action: () => void): void {
    const { delayMs, loss } = this.weather;
    if (!this.#hears(from, to) || this.random.next() < loss) return;
    this.clock.after(this.random.next() * delayMs, action);
  }

  #send<Q, R>(
    from: Member,
    life: number,
    to: number,
    call: Call<Q, R>,
    body: Q,
    timeoutMs: number,
  ): Promise<R> {
    const target = this.member(to);
    const sent = copyOf(call.request, call.max, body);
    return new Promise<R>((resolve, reject) => {
      const timer = this.clock.after(timeoutMs, () => {
        reject(new OperatingError('request-timeout', `no answer from ${to}`));
        if (from.life === life) this.#tellLost(from, to);
      });
      const failed = (code: string): void => {
        timer.cancel();
        reject(new OperatingError(code, `${to}: ${code}`));
      };
      if (target.quorum === null && this.#hears(from.id, to)) {
        this.clock.after(0.2, () => failed('no-broker'));
        return;
      }
      this.#carry(from.id, to, () => {
        const { quorum, life: targetLife } = target;
        if (quorum === null) return failed('disconnected');
        Promise.resolve(answered(quorum, call.key, sent)).then((answer) => {
          if (target.life !== targetLife) return failed('disconnected');
          const back = copyOf(call.response, call.max, answer as R);
          this.#carry(to, from.id, () => {
            if (from.life !== life) return;
            timer.cancel();
            resolve(back);
          });
        }, reject);
      });
    });
  }
}

function answered(quorum: MetadataQuorum, key: number, body: any): unknown {
  if (key === 1) return quorum.handleFetch(body);
  if (key === 52) return quorum.handleVote(body);
  if (key === 53) return quorum.handleBeginQuorumEpoch(body);
  if (key === 54) return quorum.handleEndQuorumEpoch(body);
  if (key === 59) return quorum.handleFetchSnapshot(body);
  throw new Error(`no request ${key} in a quorum`);
}

/** What arrives is a copy, in other bytes. */
const copyOf = <T>(message: Message<T>, version: number, value: T): T =>
  decode(message, version, encode(message, version, value));

/** Everything that promises have to do is done. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** `/3/x` is `/data/x` on the disk of member 3. */
function routed(diskOf: (id: number) => FaultyDisk): Disk {
  const at = (path: string): [FaultyDisk, string] => {
    const [, id, ...rest] = path.split('/');
    return [diskOf(Number(id)), [FOLDER, ...rest].join('/')];
  };
  const one =
    <A extends unknown[], R>(call: (disk: FaultyDisk, path: string, ...more: A) => R) =>
    (path: string, ...more: A): R => {
      const [disk, own] = at(path);
      return call(disk, own, ...more);
    };
  return {
    open: one((disk, path, mode: 'read' | 'create') => disk.open(path, mode)),
    list: one((disk, path) => disk.list(path)),
    exists: one((disk, path) => disk.exists(path)),
    makeDirectory: one((disk, path) => disk.makeDirectory(path)),
    rename: (from, to) => at(from)[0].rename(at(from)[1], at(to)[1]),
    remove: one((disk, path) => disk.remove(path)),
    removeDirectory: one((disk, path) => disk.removeDirectory(path)),
    removeLater: one((disk, path) => disk.removeLater(path)),
    readFile: one((disk, path) => disk.readFile(path)),
    replaceFile: one((disk, path, bytes: Uint8Array) => disk.replaceFile(path, bytes)),
    syncDirectory: one((disk, path) => disk.syncDirectory(path)),
    syncDirectoryLater: one((disk, path) => disk.syncDirectoryLater(path)),
    modifiedAt: one((disk, path) => disk.modifiedAt(path)),
    space: one((disk) => disk.space()),
  };
}

/** A step that shows in the image: a topic of that name. */
export const topicStep = (name: string, n: number): MetadataRecord => ({
  type: 'Topic',
  value: { name, topicId: Buffer.from(String(n).padStart(16, '0')).toString('base64url') },
});

export const brokerStep = (brokerId: number): MetadataRecord => ({
  type: 'RegisterBroker',
  value: {
    brokerId,
    brokerEpoch: 1,
    incarnationId: METADATA_TOPIC_ID,
    rack: null,
    endPoints: [{ name: 'PLAINTEXT', host: 'localhost', port: 9092, securityProtocol: 0 }],
    logDirs: [],
    fenced: false,
    inControlledShutdown: false,
    features: [],
  },
});
