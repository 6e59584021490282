/**
 * Somebody who gives clients so little that they are held back, for a while: what they send is late,
 * and nothing of it is lost. In the end everybody may do what they like, and does.
 */
import { reasonOf } from '../../src/base/errors.ts';
import { SecurityAdmin } from '../../src/client/security-admin.ts';
import type { KeyValue } from '../../src/config/table.ts';
import { QuotaKind } from '../../src/security/client-quotas.ts';
import { ANONYMOUS } from '../../src/security/principal.ts';
import { between, pick, waitOf } from './sim-random.ts';
import type { World } from './world.ts';

const MEAN_MS = 2000;
const HELD_MS: readonly [number, number] = [1000, 12_000];
/** A client is told to wait until what it sent at once is no more than this. */
const BYTES_A_SECOND: readonly [number, number] = [150, 500];
/** Kafka's formula has no bound: this is more than any run has met. */
const LONGEST_HELD_MS = 400_000;
/** Of the brokers: what was sent is forgotten soon. */
export const QUOTA_SETTINGS: Readonly<Record<string, KeyValue>> = { 'quota.window.num': 3 };
/** Client ids, as the run names its clients. */
const WRITERS = ['p0', 'p1', 'p2', 'p3', 'p4', 'x0', 'x1', 'k0'] as const;
const READERS = ['r0', 'c0', 'c1', 'm0', 'm1', 'g0'] as const;

export class Throttling {
  readonly #world: World;
  readonly #client;
  readonly #admin: SecurityAdmin;
  readonly #random;
  /** Quotas that may be in force. */
  readonly #given = new Map<string, QuotaKind>();
  #stopped = false;
  /** Connections that were seen to be held back, one look after another. */
  held = 0;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.chance('throttling');
    this.#client = world.newClient('thr');
    this.#admin = new SecurityAdmin(this.#client);
    this.#again();
  }

  #again(): void {
    this.#client.clock.after(waitOf(this.#random, MEAN_MS), () => {
      this.held += this.#heldNow();
      if (this.#stopped) return;
      this.#turn()
        .catch((error: unknown) => this.#world.note('thr', reasonOf(error)))
        .finally(() => this.#again());
    });
  }

  #heldNow(): number {
    const serving = this.#world.nodes.filter((node) => node.isServing);
    return serving.reduce((sum, node) => sum + node.broker!.connectionStats.throttled, 0);
  }

  async #turn(): Promise<void> {
    const isWriter = pick(this.#random, [true, false]);
    const name = pick(this.#random, isWriter ? WRITERS : READERS);
    if (this.#given.has(name)) return;
    const kind = isWriter ? QuotaKind.produce : QuotaKind.fetch;
    const rate = Math.floor(between(this.#random, ...BYTES_A_SECOND));
    this.#given.set(name, kind);
    this.#world.note('thr', `gives ${name} ${rate} bytes a second`);
    this.#client.clock.after(between(this.#random, ...HELD_MS), () => void this.#takeBack(name));
    await this.#set(name, kind, rate);
  }

  #set(name: string, kind: QuotaKind, rate: number | null): Promise<void> {
    // The most particular one is in force, whatever else there is.
    const entity = { user: ANONYMOUS.name, 'client-id': name };
    return this.#admin.alterQuotas(entity, { [kind]: rate });
  }

  async #takeBack(name: string): Promise<void> {
    const kind = this.#given.get(name)!;
    for (;;) {
      try {
        await this.#set(name, kind, null);
        this.#world.note('thr', `gives ${name} all it wants`);
        this.#given.delete(name);
        return;
      } catch (error) {
        this.#world.note('thr', reasonOf(error));
        await new Promise<void>((resolve) => this.#client.clock.after(500, resolve));
      }
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  async recover(): Promise<void> {
    await this.#world.expectSoon('quotas can be taken back', () => this.#given.size === 0);
    // Who was told to wait does, also when there is no quota any more.
    const free = await this.#world.until(LONGEST_HELD_MS, () => this.#heldNow() === 0);
    this.#world.expect('nobody is held back for ever', free);
  }
}
