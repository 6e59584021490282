/**
 * `weir broker drain`: moves every replica off a broker, and ends when it holds none.
 *
 * The moves are the cluster's: they go on when this command is ended, and a second call finds what
 * is left. Only the throttle is this command's, which takes it back at its end.
 */
import { sleep, systemClock } from '../base/clock.ts';
import { OperatingError } from '../base/errors.ts';
import type { Admin } from '../client/admin.ts';
import type { ClusterAdmin } from '../client/cluster-admin.ts';
import { type Arguments, bootstrapOption, timeoutOption, usageError } from './arguments.ts';
import { settledPartitions, withBrokers } from './broker-client.ts';
import { type Command, ExitCode } from './command.ts';
import { type PlannedPartition, planDrain } from './drain-plan.ts';

/** Partitions in one request. */
const MOVES_PER_REQUEST = 500;
const POLL_MS = 500;
const RATE_MAX = 2 ** 40;

const RATES = ['leader.replication.throttled.rate', 'follower.replication.throttled.rate'] as const;
const REPLICAS = [
  'leader.replication.throttled.replicas',
  'follower.replication.throttled.replicas',
] as const;

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
      if (args.has('cancel')) return cancel(args, cluster, broker);
      return drain(args, admin, cluster, broker, throttle);
    });
  },
};

export function brokerId(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw usageError(`a broker's id is a number; saw '${text}'`);
  return Number(text);
}

async function drain(
  args: Arguments,
  admin: Admin,
  cluster: ClusterAdmin,
  broker: number,
  throttle: number | null,
): Promise<number> {
  const { brokers } = await cluster.describeCluster();
  if (!brokers.some(({ id }) => id === broker)) {
    const ids = brokers.map(({ id }) => id).join(', ');
    throw new OperatingError('unknown-broker', `there is no broker ${broker}; there are ${ids}`);
  }
  const plan = planDrain({
    broker,
    partitions: await settledPartitions(admin, cluster),
    others: brokers.filter(({ id, isFenced }) => id !== broker && !isFenced),
    fewerReplicas: args.has('fewer-replicas'),
  });
  const [stuck] = plan.stuck;
  if (stuck !== undefined) {
    const replicas =
      stuck.replicas.length === 1 ? '1 replica' : `${stuck.replicas.length} replicas`;
    throw new OperatingError(
      'no-room',
      `no broker is left for ${plan.stuck.length} of broker ${broker}'s replicas, such as that of ${stuck.topic}-${stuck.partition}, which has ${replicas}; add a broker, or give one up with --fewer-replicas`,
    );
  }
  if (args.has('dry-run')) {
    for (const { topic, partition, replicas, to } of plan.moves) {
      const where = to === null ? 'nowhere' : `broker ${to}`;
      await args.terminal.out(`${topic}-${partition} to ${where}: ${replicas.join(',')}\n`);
    }
    return ExitCode.OK;
  }
  const throttled = throttle === null ? null : new Throttle(admin, throttle, broker, plan.moves);
  try {
    await throttled?.set();
    for (let at = 0; at < plan.moves.length; at += MOVES_PER_REQUEST) {
      const moves = plan.moves.slice(at, at + MOVES_PER_REQUEST);
      const results = await cluster.alterReassignments(moves);
      const failed = results.find(({ error }) => error !== null);
      if (failed?.error) throw failed.error;
    }
    return await follow(args, admin, broker);
  } finally {
    await throttled?.takeBack();
  }
}

async function follow(args: Arguments, admin: Admin, broker: number): Promise<number> {
  const { terminal } = args;
  let stop = false;
  void terminal.interrupted.then(() => {
    stop = true;
  });
  let most = 0;
  let shown = -1;
  for (;;) {
    const left = (await admin.listTopics())
      .flatMap(({ partitions }) => partitions)
      .filter(({ replicas }) => replicas.includes(broker)).length;
    most = Math.max(most, left);
    if (left === 0) break;
    if (stop) {
      terminal.err(`\n${left} replicas are still on their way; the cluster goes on with them\n`);
      return ExitCode.FAILURE;
    }
    const text = `broker ${broker}: ${most - left} of ${most} replicas moved`;
    if (terminal.errIsTty) terminal.err(`\r${text}`);
    else if (left !== shown) terminal.err(`${text}\n`);
    shown = left;
    await sleep(systemClock, POLL_MS);
  }
  if (terminal.errIsTty && most > 0) terminal.err('\n');
  await terminal.out(
    `broker ${broker} holds nothing: stop it, then: weir broker remove ${broker}\n`,
  );
  return ExitCode.OK;
}

async function cancel(args: Arguments, cluster: ClusterAdmin, broker: number): Promise<number> {
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
  await args.terminal.out(`${results.length - failures} moves taken back\n`);
  return failures === 0 ? ExitCode.OK : ExitCode.FAILURE;
}

/** Kafka's settings: how much, at every broker that takes part, and of which topics. */
class Throttle {
  readonly #admin: Admin;
  readonly #rate: number;
  readonly #brokers: readonly string[];
  readonly #topics: readonly string[];

  constructor(
    admin: Admin,
    rate: number,
    broker: number,
    moves: readonly (PlannedPartition & { readonly to: number | null })[],
  ) {
    this.#admin = admin;
    this.#rate = rate;
    const ids = moves.flatMap(({ replicas }) => replicas);
    this.#brokers = [...new Set([broker, ...ids])].map(String);
    this.#topics = [...new Set(moves.map(({ topic }) => topic))];
  }

  set(): Promise<void> {
    return this.#alter(String(this.#rate), '*');
  }

  takeBack(): Promise<void> {
    return this.#alter(null, null);
  }

  async #alter(rate: string | null, replicas: string | null): Promise<void> {
    for (const broker of this.#brokers) {
      const rates = Object.fromEntries(RATES.map((name) => [name, rate]));
      await this.#admin.alterConfigs('broker', broker, rates);
    }
    for (const topic of this.#topics) {
      const lists = Object.fromEntries(REPLICAS.map((name) => [name, replicas]));
      await this.#admin.alterConfigs('topic', topic, lists);
    }
  }
}
