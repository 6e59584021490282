/**
 * Somebody who changes rights and quotas, and tries what was denied: once a denial is acknowledged, no
 * broker that has heard of it lets the operation through until it is asked to take the denial back.
 *
 * A change that nobody has answered may still come: a broker that can't reach the controller keeps what
 * it was asked for a while, whether or not the client has given up, or asked another one with success.
 * So it can undo later ones.
 */
import { reasonOf } from '../../src/base/errors.ts';
import { CONTROLLER_MS_MAX } from '../../src/broker/handler.ts';
import { calls } from '../../src/client/call.ts';
import { SecurityAdmin } from '../../src/client/security-admin.ts';
import {
  type Acl,
  AclOperation,
  AclPattern,
  AclPermission,
  AclResource,
} from '../../src/protocol/acl.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { ANONYMOUS } from '../../src/security/principal.ts';
import { pick, waitOf } from './sim-random.ts';
import type { World } from './world.ts';

const MEAN_MS = 1500;
const TRIES = 4;
/** Nobody writes to it. */
const TOPIC = 'guarded';
const QUOTA = 'producer_byte_rate';
/** So many bytes a second that nobody is held back. */
const RATE = 1e12;

const deny: Acl = {
  resourceType: AclResource.topic,
  resourceName: TOPIC,
  patternType: AclPattern.literal,
  principal: ANONYMOUS.text,
  host: '*',
  operation: AclOperation.all,
  permissionType: AclPermission.deny,
};
const allow: Acl = { ...deny, permissionType: AclPermission.allow };

export class Authorizing {
  readonly #world: World;
  readonly #client;
  readonly #admin: SecurityAdmin;
  readonly #random;
  #stopped = false;
  /** What was acknowledged; null: a change is under way, or has no outcome. */
  #isDenied: boolean | null = false;
  #rate: number | null = 0;
  /** Rates that were asked for, at least once without an answer. */
  readonly #lateRates = new Set<number>();
  /** Requests that had no answer. */
  #unanswered = 0;
  /** Rights may change by themselves before that. */
  #rightsSettledAt = 0;
  /** Of this many tries is known what they must come to. */
  judged = 0;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.chance('authorizing');
    this.#client = world.newClient('sec');
    this.#countUnanswered();
    this.#admin = new SecurityAdmin(this.#client);
    this.#again();
  }

  #countUnanswered(): void {
    const request = this.#client.request.bind(this.#client);
    this.#client.request = async (...asked) => {
      try {
        return await request(...asked);
      } catch (error) {
        this.#unanswered += 1;
        throw error;
      }
    };
  }

  #again(): void {
    this.#client.clock.after(waitOf(this.#random, MEAN_MS), () => {
      if (this.#stopped) return;
      this.#turn()
        .catch((error: unknown) => this.#world.note('sec', reasonOf(error)))
        .finally(() => this.#again());
    });
  }

  async #turn(): Promise<void> {
    await this.#setRate();
    await this.#change(true);
    for (let i = 0; i < TRIES && !this.#stopped; i++) await this.#try();
    // The rights that brokers hold by now were decided while it was denied.
    if (!this.#stopped) await this.#change(false);
    for (let i = 0; i < TRIES && !this.#stopped; i++) await this.#try();
  }

  async #change(isDenied: boolean): Promise<void> {
    this.#isDenied = null;
    const change = () =>
      isDenied ? this.#admin.createAcls([allow, deny]) : this.#admin.deleteAcls([deny]);
    await this.#ask(change, () => {
      this.#rightsSettledAt = this.#world.now + CONTROLLER_MS_MAX;
    });
    this.#isDenied = isDenied;
    this.#world.note('sec', isDenied ? 'denies' : 'denies no more');
  }

  async #setRate(): Promise<void> {
    const rate = RATE + this.judged;
    this.#rate = null;
    const change = () => this.#admin.alterQuotas({ user: ANONYMOUS.name }, { [QUOTA]: rate });
    await this.#ask(change, () => this.#lateRates.add(rate));
    this.#rate = rate;
  }

  /** Tells when the change may come late: it has failed, or one of its requests had no answer. */
  async #ask(change: () => Promise<unknown>, mayComeLate: () => void): Promise<void> {
    const before = this.#unanswered;
    let isSettled = false;
    try {
      await change();
      isSettled = this.#unanswered === before;
    } finally {
      if (!isSettled) mayComeLate();
    }
  }

  #imageOf(id: number) {
    const node = this.#world.nodes.find((candidate) => candidate.id === id);
    return node?.isServing === true ? node.broker!.services.image : null;
  }

  /** Goes up with every change that the broker's metadata tell of. */
  #aclsVersion(id: number): number {
    return this.#imageOf(id)?.aclsVersion ?? -1;
  }

  /** Whether the broker's metadata say that it is denied. */
  #isKnownDenied(id: number): boolean | null {
    const image = this.#imageOf(id);
    if (image === null) return null;
    return [...image.acls.values()].some(
      (acl) => acl.resourceName === TOPIC && acl.permissionType === AclPermission.deny,
    );
  }

  get #mayChange(): boolean {
    return this.#world.now < this.#rightsSettledAt;
  }

  async #try(): Promise<void> {
    const node = pick(this.#random, this.#world.nodes);
    const isDenied = this.#isDenied;
    if (isDenied === null || this.#mayChange) return;
    if (this.#isKnownDenied(node.id) !== isDenied) return;
    const { life } = node;
    const version = this.#aclsVersion(node.id);
    const answer = await this.#client.request(node.id, calls.listOffsets, {
      replicaId: -1,
      isolationLevel: 0,
      timeoutMs: 1000,
      topics: [
        {
          name: TOPIC,
          partitions: [
            { partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -1, maxNumOffsets: 1 },
          ],
        },
      ],
    });
    if (this.#isDenied !== isDenied || node.life !== life) return;
    // It had not heard of the denial before, and has of both changes meanwhile.
    if (this.#aclsVersion(node.id) !== version) return;
    const code = answer.topics[0]?.partitions[0]?.errorCode ?? ErrorCode.NONE;
    this.judged += 1;
    this.#world.history.expectations.push({
      what: isDenied
        ? `${node.name} denies what it knows to be denied`
        : `${node.name} allows what it knows to be denied no more`,
      met: (code === ErrorCode.TOPIC_AUTHORIZATION_FAILED) === isDenied,
      detail: `it answered ${code}`,
    });
  }

  /** What was acknowledged is so on every broker, and in force. */
  check(): void {
    for (const node of this.#world.nodes) {
      if (this.#isDenied !== null && !this.#mayChange) {
        this.#world.history.expectations.push({
          what: `${node.name} knows whether it is denied`,
          met: this.#isKnownDenied(node.id) === this.#isDenied,
          detail: `acknowledged: ${this.#isDenied}`,
        });
      }
      if (this.#rate === null || this.#rate === 0) continue;
      const session = { principal: ANONYMOUS, meters: null };
      const limit = node.broker?.services.quotas.meterOf(QUOTA, session, '')?.limit;
      this.#world.history.expectations.push({
        what: `the quota on ${node.name} is that which was acknowledged`,
        met: limit === this.#rate || this.#lateRates.has(limit ?? 0),
        detail: `${limit}, not ${this.#rate}`,
      });
    }
  }

  stop(): void {
    this.#stopped = true;
  }
}
