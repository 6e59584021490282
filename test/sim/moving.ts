/**
 * Somebody who moves about what the brokers keep for themselves, the topics of groups and of
 * transactions, while coordinators are at work on them: to other brokers, to other leaders, and, as
 * everything else, to other log directories of a broker.
 */
import { reasonOf } from '../../src/base/errors.ts';
import { below } from '../../src/base/random.ts';
import { type Call, calls } from '../../src/client/call.ts';
import { ClusterAdmin } from '../../src/client/cluster-admin.ts';
import { OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from '../../src/cluster/topic-names.ts';
import { apis } from '../../src/protocol/apis.ts';
import { ErrorCode, ProtocolError } from '../../src/protocol/error-codes.ts';
import {
  alterReplicaLogDirsRequest,
  alterReplicaLogDirsResponse,
} from '../../src/protocol/messages/34-alter-replica-log-dirs.ts';
import type { Infer } from '../../src/protocol/schema.ts';
import type { TopicPartition } from '../check/history.ts';
import { chance, pick, pickWeighted, shuffled, waitOf } from './sim-random.ts';
import type { World } from './world.ts';

const MEAN_MS = 1500;
/** As the run's settings have it. */
export const COORDINATOR_PARTITIONS = 2;
const PREFERRED = 0;
/** Of the moves, the part that is taken back at once. */
const TAKEN_BACK = 0.2;

const alterReplicaLogDirs: Call<
  Infer<typeof alterReplicaLogDirsRequest>,
  Infer<typeof alterReplicaLogDirsResponse>
> = {
  ...apis.get(alterReplicaLogDirsRequest.api)!,
  request: alterReplicaLogDirsRequest,
  response: alterReplicaLogDirsResponse,
};

type Deed = 'reassign' | 'elect' | 'moveWithin';

export class Moving {
  readonly #world: World;
  readonly #client;
  readonly #admin: ClusterAdmin;
  readonly #random;
  #stopped = false;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.chance('moving');
    this.#client = world.newClient('mov');
    this.#admin = new ClusterAdmin(this.#client);
    this.#again();
  }

  #again(): void {
    this.#client.clock.after(waitOf(this.#random, MEAN_MS), () => {
      if (this.#stopped) return;
      const what = pickWeighted<Deed>(this.#random, {
        reassign: 3,
        elect: 2,
        moveWithin: this.#world.hasSeveralLogDirs ? 3 : 0,
      });
      this.#do(what)
        .catch((error: unknown) => this.#world.note('mov', `${what}: ${reasonOf(error)}`))
        .finally(() => this.#again());
    });
  }

  #do(what: Deed): Promise<void> {
    switch (what) {
      case 'reassign':
        return this.#reassign();
      case 'elect':
        return this.#elect();
      case 'moveWithin':
        return this.#moveWithin();
    }
  }

  #anyOfCoordinators(): TopicPartition {
    const topic = pick(this.#random, [OFFSETS_TOPIC, TRANSACTIONS_TOPIC]);
    return { topic, partition: below(this.#random, COORDINATOR_PARTITIONS) };
  }

  async #reassign(): Promise<void> {
    const place = this.#anyOfCoordinators();
    const ids = this.#world.nodes.map(({ id }) => id);
    const replicas = shuffled(this.#random, ids).slice(0, Math.min(3, ids.length));
    this.#world.note('mov', `moves ${place.topic}-${place.partition} to ${replicas.join(',')}`);
    const isTakenBack = chance(this.#random, TAKEN_BACK);
    const [result] = await this.#admin.alterReassignments([{ ...place, replicas }]);
    const error = result?.error ?? null;
    if (error !== null) throw error;
    if (isTakenBack) await this.#admin.alterReassignments([{ ...place, replicas: null }]);
  }

  async #elect(): Promise<void> {
    const { topic, partition } = this.#anyOfCoordinators();
    await this.#client.request('any', calls.electLeaders, {
      electionType: PREFERRED,
      topicPartitions: [{ topic, partitions: [partition] }],
      timeoutMs: 3000,
    });
  }

  /** Any partition of a broker, to any of its directories. */
  async #moveWithin(): Promise<void> {
    const node = pick(this.#random, this.#world.nodes);
    if (!node.isServing) return;
    const held = [...node.broker!.services.partitions.all()];
    if (held.length === 0) return;
    const { topic, index } = pick(this.#random, held);
    const path = pick(this.#random, node.directories);
    this.#world.note('mov', `moves ${topic}-${index} of ${node.name} to ${path}`);
    const body = { dirs: [{ path, topics: [{ name: topic, partitions: [index] }] }] };
    const answer = await this.#client.request(node.id, alterReplicaLogDirs, body);
    const code = answer.results[0]?.partitions[0]?.errorCode ?? ErrorCode.NONE;
    if (code !== ErrorCode.NONE) throw new ProtocolError(code);
  }

  stop(): void {
    this.#stopped = true;
  }
}
