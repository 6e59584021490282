import { describe, expect, it } from 'vitest';
import { drain } from '../../../src/cli/broker-drain.ts';
import { ErrorCode, ProtocolError } from '../../../src/protocol/error-codes.ts';
import { ManualClock } from '../../support/manual-clock.ts';

type Cluster = Parameters<typeof drain>[0];
type Wish = Parameters<typeof drain>[1];

const RATES = ['leader.replication.throttled.rate', 'follower.replication.throttled.rate'];
const REPLICAS = [
  'leader.replication.throttled.replicas',
  'follower.replication.throttled.replicas',
];

/** A cluster of brokers 1 to 3, in which a move takes `movesMs`. */
class FakeCluster {
  readonly clock = new ManualClock();
  readonly topics = new Map<string, number[]>();
  /** By type and name, then by key. */
  readonly configs = new Map<string, Map<string, string>>();
  readonly moves = new Map<string, { replicas: number[] | null; endMs: number }>();
  /** Every setting that was made. */
  readonly set: string[] = [];
  movesMs = 1_000;
  said = '';

  configure(type: string, name: string, keys: readonly string[], value: string): void {
    this.configs.set(`${type} ${name}`, new Map(keys.map((key) => [key, value])));
  }
  get left(): string[] {
    return [...this.configs].filter(([, of]) => of.size > 0).map(([name]) => name);
  }

  #settle(): void {
    for (const [topic, { replicas, endMs }] of this.moves) {
      if (endMs > this.clock.monotonic()) continue;
      this.moves.delete(topic);
      if (replicas !== null && this.topics.has(topic)) this.topics.set(topic, replicas);
    }
  }

  readonly admin = {
    listTopics: async () => {
      this.#settle();
      return [...this.topics].map(([name, replicas]) => ({
        name,
        partitions: [{ index: 0, replicas }],
      }));
    },
    alterConfigs: async (type: string, name: string, changes: Record<string, string | null>) => {
      if (type === 'topic' && !this.topics.has(name)) {
        throw new ProtocolError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, name);
      }
      const key = `${type} ${name}`;
      if (Object.values(changes).some((value) => value !== null)) this.set.push(key);
      const of = this.configs.get(key) ?? new Map<string, string>();
      this.configs.set(key, of);
      for (const [setting, value] of Object.entries(changes)) {
        if (value === null) of.delete(setting);
        else of.set(setting, value);
      }
    },
    describeConfigs: async (type: string, name: string) =>
      [...(this.configs.get(`${type} ${name}`) ?? [])].map(([setting, value]) => ({
        name: setting,
        value,
        source: type === 'topic' ? 'DYNAMIC_TOPIC_CONFIG' : 'DYNAMIC_BROKER_CONFIG',
      })),
  };
  readonly cluster = {
    describeCluster: async () => ({ brokers: [1, 2, 3].map((id) => ({ id, isFenced: false })) }),
    listReassignments: async () => {
      this.#settle();
      return [...this.moves].map(([topic, { replicas }]) => {
        const before = this.topics.get(topic) ?? [];
        const after = replicas ?? before;
        return {
          topic,
          partition: 0,
          replicas: [...new Set([...after, ...before])],
          adding: after.filter((id) => !before.includes(id)),
          removing: before.filter((id) => !after.includes(id)),
        };
      });
    },
    alterReassignments: async (moves: { topic: string; replicas: number[] }[]) => {
      const endMs = this.clock.monotonic() + this.movesMs;
      for (const { topic, replicas } of moves) this.moves.set(topic, { replicas, endMs });
      return moves.map(() => ({ error: null }));
    },
  };

  /** Resolves to the exit code, or to null when it has not come to its end within a minute. */
  async drain(wish: Partial<Wish> = {}): Promise<number | null> {
    const whole = { broker: 2, throttle: null, fewerReplicas: false, isDryRun: false, ...wish };
    const say = (text: string): void => {
      this.said += text;
    };
    const interrupted = new Promise<void>(() => {});
    const terminal = { out: say, err: say, errIsTty: false, interrupted };
    let code: number | null = null;
    const done = drain(this as unknown as Cluster, whole, terminal, this.clock).then((given) => {
      code = given;
    });
    for (let ms = 0; ms < 60_000 && code === null; ms += 100) {
      this.clock.advance(100);
      await Promise.race([done, new Promise((resolve) => setImmediate(resolve))]);
    }
    return code;
  }
}

describe('weir broker drain', () => {
  it('moves what comes to the broker meanwhile, too', async () => {
    const fake = new FakeCluster();
    fake.topics.set('a', [2, 1]);
    fake.clock.after(600, () => fake.topics.set('new', [2, 3]));
    fake.clock.after(600, () => fake.topics.set('other', [1, 3]));
    expect(await fake.drain({ throttle: 1_000 })).toBe(0);
    expect([...fake.topics]).toEqual([
      ['a', [3, 1]],
      ['new', [1, 3]],
      ['other', [1, 3]],
    ]);
    expect(fake.set).toContain('topic new');
    expect(fake.set).not.toContain('topic other');
    expect(fake.left).toEqual([]);
  });

  it('takes back the throttle of topics that go meanwhile, and of the others', async () => {
    const fake = new FakeCluster();
    fake.topics.set('a', [2, 1]).set('b', [2, 1]);
    fake.clock.after(700, () => {
      fake.topics.delete('a');
      fake.configs.delete('topic a');
    });
    expect(await fake.drain({ throttle: 1_000 })).toBe(0);
    expect(fake.left).toEqual([]);
  });

  it('takes back the throttle that one that was killed has left, and says so', async () => {
    const fake = new FakeCluster();
    fake.topics.set('a', [1, 3]).set('b', [3, 1]);
    fake.configure('broker', '1', RATES, '1000');
    fake.configure('topic', 'b', REPLICAS, '*');
    expect(await fake.drain()).toBe(0);
    expect(fake.left).toEqual([]);
    expect(fake.said).toContain('a throttle of replication was left of b at broker 1');
  });

  it('leaves a throttle alone while something moves by it, and takes it back behind that', async () => {
    const fake = new FakeCluster();
    fake.topics.set('a', [2, 3]);
    fake.configure('broker', '3', RATES, '1000');
    fake.configure('topic', 'a', REPLICAS, '*');
    fake.moves.set('a', { replicas: [1, 3], endMs: 5_000 });
    fake.clock.after(4_000, () => expect(fake.left).toEqual(['broker 3', 'topic a']));
    expect(await fake.drain()).toBe(0);
    expect(fake.clock.monotonic()).toBeGreaterThanOrEqual(5_000);
    expect(fake.left).toEqual([]);
  });

  it('changes nothing when it only says what it would do', async () => {
    const fake = new FakeCluster();
    fake.topics.set('a', [2, 3]);
    fake.configure('broker', '3', RATES, '1000');
    expect(await fake.drain({ isDryRun: true })).toBe(0);
    expect(fake.left).toEqual(['broker 3']);
    expect(fake.said).toBe('a-0 to broker 1: 1,3\n');
  });
});
