/**
 * `weir broker drain`: moves every replica off a broker, and ends when it holds none.
 *
 * The moves are the cluster's: they go on when this command is ended, and a second call finds what
 * is left. What comes to the broker meanwhile is moved on, too. Only the throttle is this command's,
 * which takes it back at its end; what one that was killed has left, the next one takes back.
 */
import { type Clock, sleep, systemClock } from '../base/clock.ts';
import { OperatingError } from '../base/errors.ts';
import type { Admin } from '../client/admin.ts';
import type { ClusterAdmin } from '../client/cluster-admin.ts';
import { type Arguments, bootstrapOption, timeoutOption, usageError } from './arguments.ts';
import { settledPartitions, withBrokers } from './broker-client.ts';
import { type Command, ExitCode, type Terminal } from './command.ts';
import { type DrainPlan, type PlannedPartition, planDrain } from './drain-plan.ts';
import { ReplicationThrottle, takeBackForgotten } from './replication-throttle.ts';

/** Partitions in one request. */
const MOVES_PER_REQUEST = 500;
const POLL_MS = 500;
const RATE_MAX = 2 ** 40;

export const drainCommand: Command = {
  name: 'drain',
  summary: 'Move every replica off a broker; ends when it holds none.',
  usage: 'broker drain ID [options]',
  examples: [
    'weir broker drain 2',
    'weir broker drain 2 --throttle 50000000',
    'weir broker drain 2 --cancel',
  ],
  options: [
    bootstrapOption,
    timeoutOption,
    {
      name: 'throttle',
      value: 'BYTES',
      doc: 'Bytes a second that each broker may send and receive for it.',
    },
    {
      name: 'fewer-replicas',
      doc: 'Where no broker is left for a replica, go on with one replica less.',
    },
    { name: 'dry-run', doc: 'Only print what would move.' },
    { name: 'cancel', doc: 'Take back the moves off this broker that are under way.' },
  ],
  words: [1, 1],
  run: (args) => {
    const broker = brokerId(args.words[0]!);
    const throttle = args.integer('throttle', 1, RATE_MAX) ?? null;
    return withBrokers(args, async ({ admin, cluster }) => {
      if (args.has('cancel')) return cancel(args, { admin, cluster }, broker);
      const fewerReplicas = args.has('fewer-replicas');
      const wish = { broker, throttle, fewerReplicas, isDryRun: args.has('dry-run') };
      return drain({ admin, cluster }, wish, args.terminal, systemClock);
    });
  },
};

export function brokerId(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw usageError(`a broker's id is a number; saw '${text}'`);
  return Number(text);
}

interface DrainWish {
  readonly broker: number;
  /** Bytes a second; null: no throttle. */
  readonly throttle: number | null;
  readonly fewerReplicas: boolean;
  readonly isDryRun: boolean;
}

/** What a drain asks of the cluster. */
export interface DrainedCluster {
  readonly admin: Pick<Admin, 'listTopics' | 'alterConfigs' | 'describeConfigs'>;
  readonly cluster: Pick<
    ClusterAdmin,
    'describeCluster' | 'listReassignments' | 'alterReassignments'
  >;
}

type DrainTerminal = Pick<Terminal, 'out' | 'err' | 'errIsTty' | 'interrupted'>;

/** Resolves to the exit code. */
export async function drain(
  { admin, cluster }: DrainedCluster,
  { broker, throttle, fewerReplicas, isDryRun }: DrainWish,
  terminal: DrainTerminal,
  clock: Clock,
): Promise<number> {
  const { brokers } = await cluster.describeCluster();
  if (!brokers.some(({ id }) => id === broker)) {
    const ids = brokers.map(({ id }) => id).join(', ');
    throw new OperatingError('unknown-broker', `there is no broker ${broker}; there are ${ids}`);
  }
  const running = brokers.filter(({ isFenced }) => !isFenced);
  const plan = async (): Promise<DrainPlan['moves']> => {
    const partitions = await settledPartitions(admin, cluster);
    const others = running.filter(({ id }) => id !== broker);
    const { moves, stuck } = planDrain({ broker, partitions, others, fewerReplicas });
    assertRoom(broker, stuck);
    return moves;
  };
  const first = await plan();
  if (isDryRun) {
    for (const { topic, partition, replicas, to } of first) {
      const where = to === null ? 'nowhere' : `broker ${to}`;
      await terminal.out(`${topic}-${partition} to ${where}: ${replicas.join(',')}\n`);
    }
    return ExitCode.OK;
  }
  await tidyThrottles({ admin, cluster }, terminal);
  const throttled = throttle === null ? null : new ReplicationThrottle(admin, throttle);
  const begin = async (moves: DrainPlan['moves']): Promise<void> => {
    const concerned = new Set([broker, ...moves.flatMap(({ replicas }) => replicas)]);
    await throttled?.add(
      running.map(({ id }) => id).filter((id) => concerned.has(id)),
      moves.map(({ topic }) => topic),
    );
    await reassign(cluster, moves);
  };
  let isOver: boolean;
  try {
    await begin(first);
    isOver = await follow({ admin, plan, begin }, broker, terminal, clock);
  } finally {
    await throttled?.takeBack();
  }
  if (!isOver) return ExitCode.FAILURE;
  await tidyThrottles({ admin, cluster }, terminal);
  await terminal.out(
    `broker ${broker} holds nothing: stop it, then: weir broker remove ${broker}\n`,
  );
  return ExitCode.OK;
}

/** Throws where a replica can't go anywhere. */
function assertRoom(broker: number, stuck: DrainPlan['stuck']): void {
  const [first] = stuck;
  if (first === undefined) return;
  const replicas = first.replicas.length === 1 ? '1 replica' : `${first.replicas.length} replicas`;
  throw new OperatingError(
    'no-room',
    `no broker is left for ${stuck.length} of broker ${broker}'s replicas, such as that of ${first.topic}-${first.partition}, which has ${replicas}; add a broker, or give one up with --fewer-replicas`,
  );
}

async function reassign(
  cluster: DrainedCluster['cluster'],
  moves: DrainPlan['moves'],
): Promise<void> {
  for (let at = 0; at < moves.length; at += MOVES_PER_REQUEST) {
    const results = await cluster.alterReassignments(moves.slice(at, at + MOVES_PER_REQUEST));
    const failed = results.find(({ error }) => error !== null);
    if (failed?.error) throw failed.error;
  }
}

interface DrainSteps {
  readonly admin: DrainedCluster['admin'];
  /** What is on the broker to stay there. */
  readonly plan: () => Promise<DrainPlan['moves']>;
  readonly begin: (moves: DrainPlan['moves']) => Promise<void>;
}

/**
 * Until the broker holds nothing, or somebody ends this: then false. What comes to the broker
 * meanwhile, as of a topic that is made, is moved on, too.
 */
async function follow(
  { admin, plan, begin }: DrainSteps,
  broker: number,
  terminal: DrainTerminal,
  clock: Clock,
): Promise<boolean> {
  let stop = false;
  void terminal.interrupted.then(() => {
    stop = true;
  });
  let most = 0;
  let shown = -1;
  let seen: ReadonlySet<string> = new Set();
  for (;;) {
    const left = (await admin.listTopics())
      .flatMap(({ partitions }) => partitions)
      .filter(({ replicas }) => replicas.includes(broker)).length;
    most = Math.max(most, left);
    if (left === 0) break;
    if (stop) {
      terminal.err(`\n${left} replicas are still on their way; the cluster goes on with them\n`);
      return false;
    }
    const text = `broker ${broker}: ${most - left} of ${most} replicas moved`;
    if (terminal.errIsTty) terminal.err(`\r${text}`);
    else if (left !== shown) terminal.err(`${text}\n`);
    shown = left;
    await sleep(clock, POLL_MS);
    const come = await plan();
    // Seen once only, it may be a move that has just ended, of which the one asked had not heard yet.
    await begin(come.filter((move) => seen.has(keyOf(move))));
    seen = new Set(come.map(keyOf));
  }
  if (terminal.errIsTty && most > 0) terminal.err('\n');
  return true;
}

const keyOf = ({ topic, partition }: PlannedPartition): string => `${topic}-${partition}`;

/** A drain that was killed leaves its throttle, which would slow down every move to come. */
async function tidyThrottles(
  { admin, cluster }: DrainedCluster,
  terminal: DrainTerminal,
): Promise<void> {
  const forgotten = await takeBackForgotten(admin, cluster);
  if (forgotten === null) return;
  terminal.err(`a throttle of replication was left ${forgotten}; it is taken back\n`);
}

async function cancel(
  args: Arguments,
  { admin, cluster }: DrainedCluster,
  broker: number,
): Promise<number> {
  const moves = (await cluster.listReassignments()).filter(({ removing }) =>
    removing.includes(broker),
  );
  const results = await cluster.alterReassignments(
    moves.map(({ topic, partition }) => ({ topic, partition, replicas: null })),
  );
  let failures = 0;
  for (const { error } of results) {
    if (error === null) continue;
    failures += 1;
    args.terminal.err(`weir: ${error.message}\n`);
  }
  await tidyThrottles({ admin, cluster }, args.terminal);
  await args.terminal.out(`${results.length - failures} moves taken back\n`);
  return failures === 0 ? ExitCode.OK : ExitCode.FAILURE;
}
