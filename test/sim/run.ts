/** One run: a cluster, work, faults, peace, and the verdict. */
import { Admin } from '../../src/client/admin.ts';
import type { Partition } from '../../src/cluster/partition.ts';
import type { KeyValue } from '../../src/config/table.ts';
import { ProtocolError } from '../../src/protocol/error-codes.ts';
import type { History, Violation } from '../check/history.ts';
import { judge } from '../check/index.ts';
import { Administering, type Topic } from './administering.ts';
import { Authorizing } from './authorizing.ts';
import type { BitFlips } from './bit-flips.ts';
import { COMPACTED, Compaction, cleanerSettings } from './compaction.ts';
import { CONSUMER_SETTINGS, ConsumerGroupRun } from './consumer-groups.ts';
import { coverageOf } from './coverage.ts';
import { drawFaults, Faults, onlyFaults } from './faults.ts';
import { Grouping } from './grouping.ts';
import { leaderOf } from './leaders.ts';
import { COORDINATOR_PARTITIONS, Moving } from './moving.ts';
import { Observer } from './observer.ts';
import type { SeedOptions } from './options.ts';
import { Producing, type ProducingOptions } from './producing.ts';
import { Reading } from './reading.ts';
import type { SimNode } from './sim-node.ts';
import { between, chance, chanceFor, pick } from './sim-random.ts';
import { areKills, Takeovers } from './takeovers.ts';
import { QUOTA_SETTINGS, Throttling } from './throttling.ts';
import { TRANSACTIONAL, Transactions } from './transactions.ts';
import { drawWorkloads, type Workload } from './workload-kinds.ts';
import { RECOVERY_MS, World } from './world.ts';

export interface RunOptions extends SeedOptions {
  /** Print what happens. */
  readonly loud?: boolean;
}

export interface RunResult {
  readonly seed: number;
  readonly brokers: number;
  readonly violations: readonly Violation[];
  readonly hash: string;
  readonly tail: readonly string[];
  readonly simulatedMs: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly history: History;
}

const SECONDS = 60;
const START_MS = 20_000;
const SCRUB_MS = 500;
const SCRUB_BYTES = 64 * 1024;
const GROUP = 'group';
/** A producer gives up after 20 s, and may have been told to wait for a hundred. */
const THROTTLED_ATTEMPTS = 6;

/** All of one run's parts. */
class Run {
  readonly world: World;
  readonly #options: RunOptions;
  readonly #random;
  readonly topics: Topic[] = [];
  readonly #producers: Producing[] = [];
  readonly #readers: Reading[] = [];
  readonly #members: Grouping[] = [];
  readonly #workloads: ReadonlySet<Workload>;
  #transactions: Transactions | null = null;
  #compaction: Compaction | null = null;
  #consumers: ConsumerGroupRun | null = null;
  #administering: Administering | null = null;
  #authorizing: Authorizing | null = null;
  #moving: Moving | null = null;
  #throttling: Throttling | null = null;
  #takeovers: Takeovers | null = null;

  constructor(options: RunOptions) {
    this.#options = options;
    const brokers = options.brokers ?? brokersOf(options.seed);
    this.#workloads = new Set(options.workloads ?? drawWorkloads(options.seed));
    const settings = {
      ...settingsFor(brokers),
      ...(this.#workloads.has('compaction') ? cleanerSettings(options.seed) : {}),
      ...(this.#workloads.has('throttling') ? QUOTA_SETTINGS : {}),
      ...(this.#workloads.has('consumerGroups') ? CONSUMER_SETTINGS : {}),
    };
    this.world = new World({ seed: options.seed, brokers, settings });
    this.world.simulation.trace.isLoud = options.loud === true;
    this.#random = this.world.chance('shape');
  }

  async run(): Promise<RunResult> {
    const { world } = this;
    for (const node of world.nodes) node.start();
    const observer = new Observer(world);
    const ready = await this.#prepare();
    const kinds = this.#options.faults;
    const weights = kinds === undefined ? drawFaults(world) : onlyFaults(kinds);
    const faults = new Faults(world, weights);
    if (kinds !== undefined && areKills(kinds)) this.#takeovers = new Takeovers(world);
    if (ready) {
      this.#work();
      const seconds = this.#options.seconds ?? SECONDS;
      await world.until(seconds * 1000, () => false);
      for (const producer of this.#producers) producer.stop();
      this.#transactions?.stop();
      this.#compaction?.stop();
      this.#administering?.stop();
      this.#authorizing?.stop();
      this.#moving?.stop();
      this.#throttling?.stop();
      this.#takeovers?.stop();
      world.note('run', 'faults are over');
      faults.stop();
      await this.#recover(faults);
      observer.stop();
      observer.dump();
    }
    return this.#verdict(faults);
  }

  /** The cluster is up and has its topics. */
  async #prepare(): Promise<boolean> {
    const { world } = this;
    const up = await world.until(START_MS, () => world.nodes.every((node) => node.isServing));
    if (!this.world.expect('every broker serves after the start', up)) return false;
    const client = world.newClient('admin');
    const admin = new Admin(client);
    const wanted = [
      { name: 't0', partitions: 2 },
      // Several segments, so that they are closed and begun under way.
      { name: 't1', partitions: 2, configs: { 'segment.ms': '5000' } },
    ];
    const all = [...wanted, ...this.#ofWorkloads];
    let created = false;
    client.clock.after(1, () => {
      void admin.createTopics(all).then((results) => {
        created = results.every(({ error }) => error === null);
        for (const { name, error } of results)
          if (error !== null) world.note('admin', `${name}: ${error.message}`);
      });
    });
    const made = await world.until(START_MS, () => created && this.#hasLeaders(all));
    if (made) this.topics.push(...wanted.map(({ name, partitions }) => ({ name, partitions })));
    return this.world.expect('topics can be made', made);
  }

  /** Topics that only one workload writes to. */
  get #ofWorkloads() {
    return [
      ...(this.#workloads.has('transactions') ? [TRANSACTIONAL] : []),
      ...(this.#workloads.has('compaction') ? COMPACTED : []),
    ];
  }

  #hasLeaders(topics: readonly Topic[]): boolean {
    return topics.every(({ name, partitions }) =>
      Array.from({ length: partitions }).every(
        (_, index) => leaderOf(this.world, name, index) !== null,
      ),
    );
  }

  #work(): void {
    const { world } = this;
    const kinds: Pick<ProducingOptions, 'acks' | 'idempotent'>[] = [
      { acks: -1, idempotent: true },
      { acks: -1, idempotent: true },
      { acks: -1, idempotent: false },
      { acks: 1, idempotent: chance(this.#random, 0.5) },
      { acks: 0, idempotent: false },
    ];
    kinds.forEach((kind, i) => {
      const meanMs = between(this.#random, 100, 600);
      const name = `p${i}`;
      this.#producers.push(
        new Producing(world, { ...kind, name, meanMs, topics: () => this.topics }),
      );
    });
    const reader = new Reading(world, 'r0');
    reader.add(this.#partitions());
    this.#readers.push(reader);
    const has = (workload: Workload): boolean => this.#workloads.has(workload);
    if (has('administration')) {
      this.#administering = new Administering(world, {
        topics: this.topics,
        others: this.#ofWorkloads,
        onGrown: (partitions) => reader.add(partitions),
        replicationFactor: Math.min(3, world.nodes.length),
      });
    }
    if (has('moving')) this.#moving = new Moving(world);
    if (has('throttling')) this.#throttling = new Throttling(world);
    if (has('authorization')) this.#authorizing = new Authorizing(world);
    if (has('transactions')) this.#transactions = new Transactions(world);
    if (has('compaction')) this.#compaction = new Compaction(world);
    if (has('consumerGroups')) this.#consumers = new ConsumerGroupRun(world);
    if (!has('groups')) return;
    for (let i = 0; i < pick(this.#random, [1, 2, 3]); i++) {
      const options = { name: `m${i}`, group: GROUP, topics: ['t0'], isMixed: false };
      this.#members.push(new Grouping(world, options));
    }
  }

  #partitions(): { topic: string; partition: number }[] {
    return this.topics.flatMap(({ name, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition })),
    );
  }

  /** After the last fault everything comes to rest, and everything can be read. */
  async #recover({ flips }: Faults): Promise<void> {
    const { world } = this;
    const serving = await world.until(RECOVERY_MS, () => world.nodes.every(stays));
    if (!this.world.expect('every broker serves again', serving, this.#unserved())) return;
    if (flips.outstanding.length > 0) await this.#mended(flips);
    await this.#throttling?.recover();
    const quiet = await world.until(RECOVERY_MS, () =>
      this.#producers.every(({ outstanding }) => outstanding === 0),
    );
    this.world.expect('every send has an outcome', quiet);
    const settled = await world.until(RECOVERY_MS, () => this.#unsettled() === null);
    this.world.expect('every replica is in sync and committed', settled, this.#unsettled() ?? '');
    await this.#writesOnceMore();
    await this.#transactions?.recover();
    await this.#compaction?.recover();
    await this.#consumers?.recover();
    await this.#groupCommits();
    await world.until(RECOVERY_MS, () => this.#unsettled() === null);
    const end = new Reading(world, 'final');
    this.#readers.push(end);
    const read = await world.until(RECOVERY_MS, () => {
      // A topic that somebody asked for before may come now.
      const news = this.#partitions().filter((p) => end.position(p) < 0);
      if (news.length > 0) end.add(news);
      return this.#isRead(end);
    });
    this.world.expect('everything can be read', read);
    const even = await world.until(RECOVERY_MS, () => this.#knowTheSame());
    if (!this.world.expect('every broker knows what all know', even)) return;
    this.#administering?.check();
    this.#authorizing?.check();
  }

  /** Somebody reads all logs of all brokers: what is damaged in them is mended before long. */
  async #mended(flips: BitFlips): Promise<void> {
    let nextAt = this.world.now;
    const mended = await this.world.until(RECOVERY_MS, () => {
      if (this.world.now < nextAt) return false;
      nextAt = this.world.now + SCRUB_MS;
      for (const { broker } of this.world.nodes) {
        for (const partition of broker!.services.partitions.all()) scrub(partition);
      }
      return flips.outstanding.length === 0;
    });
    this.world.expect('what is damaged is mended', mended, flips.outstanding.join(', '));
  }

  async #groupCommits(): Promise<void> {
    const [first] = this.#members;
    if (first === undefined) return;
    const { commits } = first;
    await this.world.expectSoon('the group commits', () =>
      this.#members.some((member) => member.commits > commits),
    );
  }

  #unserved(): string {
    return this.world.nodes
      .filter((node) => !stays(node))
      .map((node) => {
        const state = node.isStopping ? 'does not stop' : 'does not serve';
        return `${node.name} ${node.isUp ? state : 'is down'}`;
      })
      .join(', ');
  }

  /** What is not yet as it should be. */
  #unsettled(): string | null {
    for (const { topic, partition } of this.#partitions()) {
      const leader = leaderOf(this.world, topic, partition);
      const name = `${topic}-${partition}`;
      if (leader === null) return `${name} has no leader`;
      if (leader.isOffline) return `${name} is offline`;
      const end = leader.log.logEndOffset;
      if (leader.highWatermark !== end)
        return `${name} ends at ${end}, committed ${leader.highWatermark}`;
      const image = leader as unknown as { replicas?: readonly number[] };
      const missing = (image.replicas ?? []).filter((id) => !leader.isr.includes(id));
      if (missing.length > 0) return `${name}: ${missing.join(',')} not in sync`;
      for (const node of this.world.nodes) {
        const other = node.broker!.services.partitions.get(topic, partition);
        if (other?.isOffline === true) return `${name} of ${node.name} is offline`;
        if (other !== undefined && other.log.logEndOffset !== end) {
          return `${name} of ${node.name} ends at ${other.log.logEndOffset}, the leader's at ${end}`;
        }
      }
    }
    return null;
  }

  /**
   * A producer that was there all the time can still write; one that a quota has told to wait, perhaps
   * by a broker that is no more, when it has waited.
   */
  async #writesOnceMore(): Promise<void> {
    const attempts = this.#throttling === null ? 1 : THROTTLED_ATTEMPTS;
    let failed: string[] = [];
    for (let i = 0; i < attempts && (i === 0 || failed.length > 0); i++) {
      failed = await this.#failedWrites();
    }
    this.world.expect('producers can write', failed.length === 0, failed.join(' '));
  }

  /** What some more records of each producer have not come to in time. */
  async #failedWrites(): Promise<string[]> {
    const before = this.world.history.sends.length;
    for (const producer of this.#producers) for (let i = 0; i < 3; i++) producer.burst();
    const sends = this.world.history.sends.slice(before).filter(({ acks }) => acks !== 0);
    await this.world.until(RECOVERY_MS, () => sends.every(({ doneAt }) => doneAt < Infinity));
    return sends.filter(({ outcome }) => outcome !== 'ok').map(({ value }) => value);
  }

  #knowTheSame(): boolean {
    const ends = this.world.nodes.map((node) => node.broker?.services.quorum.lastOffset);
    return ends.every((end) => end !== undefined && end === ends[0]);
  }

  #isRead(reader: Reading): boolean {
    return this.#partitions().every((p) => {
      const leader = leaderOf(this.world, p.topic, p.partition);
      return leader !== null && reader.position(p) === leader.highWatermark;
    });
  }

  #verdict(faults: Faults): RunResult {
    const { world } = this;
    const violations = [...world.crashes, ...(world.isBroken ? [] : judge(world.history))];
    return {
      seed: world.seed,
      brokers: world.nodes.length,
      violations,
      hash: world.simulation.trace.hash,
      tail: world.simulation.trace.tail(),
      simulatedMs: world.now,
      history: world.history,
      counts: {
        events: world.simulation.events,
        polls: world.history.polls.length,
        cleanings: this.#compaction?.passes ?? 0,
        heldBack: this.#throttling?.held ?? 0,
        takeovers: this.#takeovers?.seen ?? 0,
        ...coverageOf(world.history, faults.times),
        lives: world.nodes.reduce((sum, { life }) => sum + life, 0),
        faults: Object.values(faults.counts).reduce((sum, n) => sum + n, 0),
      },
    };
  }
}

/** One that was asked to stop when the faults ended still serves for a while, and begins anew then. */
const stays = ({ isServing, isStopping }: SimNode): boolean => isServing && !isStopping;

/** Reads the log, as far as it is whole. */
function scrub(partition: Partition): void {
  if (partition.isOffline) return;
  const { log } = partition;
  try {
    for (let offset = log.logStartOffset; offset < log.logEndOffset; ) {
      const bounds = { upTo: log.logEndOffset, minOneMessage: true };
      const { nextOffset, release } = log.read(offset, SCRUB_BYTES, bounds);
      release?.();
      if (nextOffset <= offset) return;
      offset = nextOffset;
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
}

/** How many brokers a seed has, where nobody says. */
const brokersOf = (seed: number): number =>
  pick(chanceFor(seed, 'brokers'), [1, 2, 3, 3, 3, 3, 3, 3, 4, 5]);

const settingsFor = (brokers: number): Record<string, KeyValue> => ({
  'offsets.topic.num.partitions': COORDINATOR_PARTITIONS,
  'group.initial.rebalance.delay.ms': 0,
  'auto.create.topics.enable': false,
  'group.min.session.timeout.ms': 1000,
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'allow.everyone.if.no.acl.found': true,
  'transaction.state.log.num.partitions': COORDINATOR_PARTITIONS,
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': 500,
  ...(brokers === 1
    ? {}
    : {
        'default.replication.factor': Math.min(3, brokers),
        'offsets.topic.replication.factor': Math.min(3, brokers),
        'transaction.state.log.replication.factor': Math.min(3, brokers),
        'transaction.state.log.min.isr': brokers >= 3 ? 2 : 1,
        'min.insync.replicas': brokers >= 3 ? 2 : 1,
        'replica.lag.time.max.ms': 2000,
      }),
});

/** Runs a seed. Rejections that nobody handles are findings of the run. */
export async function runSeed(options: RunOptions): Promise<RunResult> {
  const run = new Run(options);
  const unhandled = (error: unknown): void => run.world.unhandled(error);
  process.on('unhandledRejection', unhandled);
  try {
    return await run.run();
  } finally {
    process.off('unhandledRejection', unhandled);
  }
}
