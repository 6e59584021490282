import { describe, expect, test } from 'vitest';
import {
  ClientQuotas,
  METERS_SHOWN_MAX,
  type Quota,
  QuotaKind,
  type QuotaSession,
} from '../../../src/security/client-quotas.ts';
import { TokenBucket } from '../../../src/security/token-bucket.ts';
import { WindowedSum } from '../../../src/security/windowed-rate.ts';

const quota = (entity: Record<string, string | null>, values: Record<string, number>): Quota => ({
  entity: Object.entries(entity).map(([entityType, entityName]) => ({ entityType, entityName })),
  values: new Map(Object.entries(values)),
});

function setup(...quotas: Quota[]) {
  const source = { quotas, version: 1 };
  return { source, all: new ClientQuotas(source, { windows: 11, windowMs: 1000 }) };
}

const session = (name: string): QuotaSession => ({ principal: { name }, meters: null });

describe('the sum over windows', () => {
  test('is over all windows but one even when less time has passed', () => {
    const sum = new WindowedSum(11, 1000);
    sum.record(1000, 0);
    expect(sum.spanMs(0)).toBe(10_000);
    expect(sum.perSecond(500)).toBeCloseTo(1000 / 10.5);
  });

  test('goes down as time passes, and is nothing once all is past', () => {
    const sum = new WindowedSum(11, 1000);
    for (let ms = 0; ms < 10_000; ms += 1000) sum.record(100, ms);
    expect(sum.sum(9_999)).toBe(1000);
    expect(sum.sum(15_000)).toBeLessThan(1000);
    expect(sum.sum(21_000)).toBe(0);
  });

  test('of a steady stream is its rate', () => {
    const sum = new WindowedSum(11, 1000);
    for (let ms = 0; ms < 60_000; ms += 10) sum.record(10, ms);
    expect(sum.perSecond(60_000)).toBeCloseTo(1000, -2);
  });
});

describe('a quota', () => {
  test('that nobody has set costs nothing and limits nobody', () => {
    const { all } = setup();
    expect([all.isOn, all.meterOf(QuotaKind.produce, session('alice'), 'app')]).toEqual([
      false,
      null,
    ]);
  });

  test('lets through what it allows, and holds back for as long as it takes to be right again', () => {
    const { all } = setup(quota({ user: 'alice' }, { producer_byte_rate: 1000 }));
    const meter = all.meterOf(QuotaKind.produce, session('alice'), 'app')!;
    meter.record(10_000, 0);
    expect(meter.throttleMs(0)).toBe(0);
    meter.record(5_000, 0);
    // 15,000 in 10 seconds, where 10,000 are allowed: in five seconds more it would be right.
    expect(meter.throttleMs(0)).toBe(5_000);
    expect(meter.throttleMs(11_000)).toBe(0);
  });

  test('of the thread’s time holds back for a window at most', () => {
    const { all } = setup(quota({ user: 'alice' }, { request_percentage: 1 }));
    const meter = all.meterOf(QuotaKind.request, session('alice'), 'app')!;
    meter.record(10_000, 0);
    expect(meter.throttleMs(0)).toBe(1_000);
  });

  test('limits what is fetched at once to what its windows allow', () => {
    const { all } = setup(quota({ user: 'alice' }, { consumer_byte_rate: 500 }));
    expect(all.meterOf(QuotaKind.fetch, session('alice'), '')!.mostAtOnce).toBe(5_000);
  });

  test('that is changed or removed is so at once, and what was used counts on', () => {
    const { source, all } = setup(quota({ user: 'alice' }, { producer_byte_rate: 1000 }));
    const alice = session('alice');
    all.meterOf(QuotaKind.produce, alice, 'app')!.record(15_000, 0);
    source.quotas = [quota({ user: 'alice' }, { producer_byte_rate: 1500 })];
    source.version += 1;
    const meter = all.meterOf(QuotaKind.produce, alice, 'app')!;
    expect([meter.limit, meter.throttleMs(0)]).toEqual([1500, 0]);
    source.quotas = [];
    source.version += 1;
    expect(all.meterOf(QuotaKind.produce, alice, 'app')).toBeNull();
  });

  test('of another kind limits nothing', () => {
    const { all } = setup(quota({ user: 'alice' }, { producer_byte_rate: 1000 }));
    expect(all.meterOf(QuotaKind.fetch, session('alice'), 'app')).toBeNull();
  });
});

describe('the quota that is in force', () => {
  // From the most particular to the most general, as Kafka's.
  const order: Record<string, string | null>[] = [
    { user: 'alice', 'client-id': 'app' },
    { user: 'alice', 'client-id': null },
    { user: 'alice' },
    { user: null, 'client-id': 'app' },
    { user: null, 'client-id': null },
    { user: null },
    { 'client-id': 'app' },
    { 'client-id': null },
  ];

  test.each(order.map((_, i) => i))('is the first of those that fit, from number %i on', (from) => {
    const { all } = setup(
      ...order.slice(from).map((entity, i) => quota(entity, { producer_byte_rate: from + i + 1 })),
    );
    const meter = all.meterOf(QuotaKind.produce, session('alice'), 'app');
    expect(meter?.limit).toBe(from + 1);
  });

  test('of a user is shared by its client ids, that of a client id by its users', () => {
    const user = setup(quota({ user: null }, { producer_byte_rate: 1 })).all;
    const of = (all: ClientQuotas, name: string, clientId: string) =>
      all.meterOf(QuotaKind.produce, session(name), clientId);
    expect(of(user, 'alice', 'a')).toBe(of(user, 'alice', 'b'));
    expect(of(user, 'alice', 'a')).not.toBe(of(user, 'bob', 'a'));
    const client = setup(quota({ 'client-id': null }, { producer_byte_rate: 1 })).all;
    expect(of(client, 'alice', 'a')).toBe(of(client, 'bob', 'a'));
    expect(of(client, 'alice', 'a')).not.toBe(of(client, 'alice', 'b'));
  });

  test('is nobody’s where none fits', () => {
    const { all } = setup(quota({ user: 'bob' }, { producer_byte_rate: 1 }));
    expect(all.meterOf(QuotaKind.produce, session('alice'), 'app')).toBeNull();
  });
});

test('meters are bounded however many clients there are, and metrics tell some', () => {
  const { all } = setup(quota({ 'client-id': null }, { producer_byte_rate: 1 }));
  for (let i = 0; i < 25_000; i++) {
    all.meterOf(QuotaKind.produce, session('alice'), `app-${i}`)!.record(1, i);
  }
  expect([...all.metersOf(QuotaKind.produce)]).toHaveLength(METERS_SHOWN_MAX);
});

test('a bucket saves up for a burst, and makes one wait for what was taken too much', () => {
  const bucket = new TokenBucket(2, 10, 0);
  bucket.take(25, 0);
  expect(bucket.waitMs(0)).toBe(2_500);
  expect(bucket.waitMs(2_500)).toBe(0);
  bucket.take(1, 100_000);
  expect(bucket.waitMs(100_000)).toBe(0);
  bucket.setRate(1, 10, 100_000);
  bucket.take(11, 100_000);
  expect(bucket.waitMs(100_000)).toBe(1_000);
});
