import { describe, expect, it } from 'vitest';
import { adviseTopic, doubtsAbout, type Wish } from '../../../src/cli/topic-advice.ts';

const DAY_MS = 86_400_000;
const wish = (given: Partial<Wish> = {}): Wish => ({
  bytesPerSecond: 1_000_000,
  consumers: 1,
  brokers: 3,
  diskBytes: 1e12,
  retentionMs: 7 * DAY_MS,
  ...given,
});
const settings = (given: Partial<Wish>): Record<string, number> =>
  Object.fromEntries(adviseTopic(wish(given)).advice.map(({ setting, value }) => [setting, value]));

describe('the advice on a topic', () => {
  it('has three replicas, or as many as there are brokers, and goes on with one down', () => {
    const replicas = [1, 2, 3, 5].map((brokers) => {
      const found = settings({ brokers });
      return [found['replication-factor'], found['min.insync.replicas']];
    });
    expect(replicas).toEqual([
      [1, 1],
      [2, 1],
      [3, 2],
      [3, 2],
    ]);
    expect(adviseTopic(wish({ brokers: 1 })).warnings.join()).toContain('loses the topic');
    expect(adviseTopic(wish()).warnings).toEqual([]);
  });

  it('has partitions for the brokers, the consumers and the throughput, evenly led', () => {
    const count = (given: Partial<Wish>) => settings(given)['partitions'];
    expect(count({})).toBe(6);
    expect(count({ consumers: 10 })).toBe(12);
    expect(count({ bytesPerSecond: 125_000_000 })).toBe(15);
    expect(count({ brokers: 1 })).toBe(2);
    const [partitions] = adviseTopic(wish({ consumers: 10 })).advice;
    expect(partitions!.why).toBe(
      '10 consumers work at once only with a partition each; rounded up so that every broker leads as many',
    );
  });

  it('keeps what is wished when it fits, else what fits, and says what would be needed', () => {
    expect(settings({})['retention.ms']).toBe(7 * DAY_MS);
    const tight = adviseTopic(wish({ bytesPerSecond: 10_000_000, diskBytes: 1e12 }));
    const retention = tight.advice.find(({ setting }) => setting === 'retention.ms')!;
    // 0.7 TB at 10 MB/s.
    expect(retention.value).toBe(70_000_000);
    expect(tight.warnings).toEqual([
      '7 days of retention do not fit: each broker would need 8.6 TB of disk',
    ]);
    expect(settings({ diskBytes: null })).not.toHaveProperty('retention.bytes');
  });

  it('fills no more than its share of the disks, whatever is written', () => {
    const found = settings({ consumers: 12 });
    const perBroker = (found['retention.bytes']! * 12 * 3) / 3;
    expect(perBroker).toBeLessThanOrEqual(0.7e12);
  });

  it('has segments that are small beside the retention, by size and by time', () => {
    expect(settings({ bytesPerSecond: 100_000_000, diskBytes: null })['segment.bytes']).toBe(
      2 ** 30,
    );
    const small = settings({ bytesPerSecond: 100 });
    expect(small['segment.bytes']).toBe(2 ** 24);
    expect(small['segment.ms']).toBe((7 * DAY_MS) / 20);
    expect(settings({})).not.toHaveProperty('segment.ms');
  });

  it('warns of more replicas than a broker should have', () => {
    const { warnings } = adviseTopic(wish({ consumers: 9_000 }));
    expect(warnings.join()).toContain('9000 replicas for each broker');
  });
});

describe('doubts about a topic', () => {
  it('are one replica where there could be more, and brokers that it does not use', () => {
    expect(doubtsAbout({ partitions: 6, replicationFactor: 3, brokers: 3 })).toEqual([]);
    expect(doubtsAbout({ partitions: 1, replicationFactor: 1, brokers: 1 })).toEqual([]);
    const [lost, idle] = doubtsAbout({ partitions: 1, replicationFactor: 1, brokers: 3 });
    expect(lost).toContain('it is lost with one disk (--replication-factor 3)');
    expect(idle).toContain('of 3 brokers only one leads it');
  });
});
