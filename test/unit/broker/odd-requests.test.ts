/**
 * Every request in every version, with each of its fields in turn as it should not be, cut off, too
 * long, or of a version that is not served: the broker answers in the form of that version or closes
 * the connection, and goes on serving others, without a bug told in its log and without memory kept.
 *
 * The newest version of each API takes every value, the others some, by chance. `WEIR_FUZZ` makes that
 * more, `WEIR_FUZZ_SEED` repeats a run. What the error codes are is compared with Apache Kafka by
 * `broker-differential.test.ts`.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { handlers } from '../../../src/broker/handlers/index.ts';
import type { Api } from '../../../src/protocol/apis.ts';
import { versionsOf } from '../../property/random-message.ts';
import { fuzzRounds, fuzzSeed } from '../../support/fuzz.ts';
import {
  filled,
  oddValues,
  type Place,
  places,
  some,
  valueAt,
  withType,
  withValue,
  wrongLengths,
} from '../../support/odd-values.ts';
import { bodyOf, type World } from '../../support/request-bodies.ts';
import { Thrower } from '../../support/thrower.ts';
import {
  batchOf,
  createTopic,
  fetch,
  type Loose,
  produce,
  type RunningBroker,
  startBroker,
  valuesOf,
  WireClient,
} from './fixture.ts';
import { until } from './transactional-client.ts';

const SEED = fuzzSeed(20_261_129);
/** Of each field in versions before the newest. */
const VALUES_PER_FIELD = fuzzRounds(2);
const CUTS = 12;

/** Beyond what the tests themselves take. */
const GROWTH_BYTES_MAX = 400 * 1024 * 1024;

const served = handlers.map(({ api }) => api).filter(({ forPeers }) => !forPeers);

let running: RunningBroker;
let directory: string;
let neighbour: WireClient;
let world: World;
let written = 0;
let rssAtStart = 0;

const repeatedly = (
  name: string,
  version: number,
  body: Loose,
  isGood: (answer: any) => boolean,
): Promise<any> => until(() => neighbour.request(name, version, body), isGood);

beforeAll(async () => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-odd-requests-'));
  running = await startBroker(
    {
      'node.id': 1,
      'log.dirs': ['first', 'second'].map((name) => path.join(directory, name)),
      'offsets.topic.num.partitions': 2,
      'transaction.state.log.num.partitions': 2,
      'group.initial.rebalance.delay.ms': 0,
      'partitions.max': 300,
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS',
    },
    { directory },
  );
  neighbour = await WireClient.connect(running.port);
  await createTopic(neighbour, 'steady');
  const topicId = await createTopic(neighbour, 'odd', 2);
  await produce(neighbour, 'odd', batchOf(['a', 'b']));
  for (const keyType of [0, 1]) {
    const asked = { key: 'odd-group', keyType };
    await repeatedly('FindCoordinator', 3, asked, (a) => a.errorCode === 0);
  }
  const topics = [{ name: 'odd', partitions: [{ partitionIndex: 0, committedOffset: 1 }] }];
  const commit = { groupId: 'odd-group', generationIdOrMemberEpoch: -1, memberId: '', topics };
  await repeatedly('OffsetCommit', 7, commit, (a) => a.topics[0].partitions[0].errorCode === 0);
  let count = 0;
  world = {
    consumers: 'odd-consumers',
    topic: 'odd',
    topicId,
    base: Date.now(),
    fresh: (prefix) => `odd-${prefix}-${count++}`,
  };
  const joining = { ...bodyOf('ConsumerGroupHeartbeat', world), groupId: world.consumers };
  await repeatedly('ConsumerGroupHeartbeat', 1, joining, (a) => a.errorCode === 0);
  rssAtStart = process.memoryUsage().rss;
});
afterAll(async () => {
  await neighbour?.close();
  await running?.stop();
});

/** Another client gets what it asks for, nothing was a bug, and nothing is kept. */
afterEach(async () => {
  await thrower.close();
  const value = `v${written}`;
  expect(await produce(neighbour, 'steady', batchOf([value]))).toMatchObject({
    errorCode: 0,
    baseOffset: written,
  });
  expect(valuesOf((await fetch(neighbour, 'steady', written)).records)).toEqual([value]);
  written += 1;
  await expect.poll(() => running.broker.connectionStats.open).toBe(1);
  const { connectionStats, fetchPurgatory } = running.broker.services;
  expect(connectionStats.queuedResponseBytes).toBe(0);
  expect(connectionStats.queuedRequests).toBe(0);
  expect(fetchPurgatory.size).toBe(0);
  expect(await running.broker.metrics()).toContain('weir_broker_request_memory_bytes 0');
  expect(running.logged.filter(({ level }) => level === 'error')).toEqual([]);
  expect(process.memoryUsage().rss - rssAtStart).toBeLessThan(GROWTH_BYTES_MAX);
});

const thrower = new Thrower(() => WireClient.connect(running.port));

/** A group that is in use: the answer comes when its other members have come back, or are given up. */
const waitsForOthers = (api: Api, { path: at }: Place): boolean =>
  api.name === 'JoinGroup' && at[0] === 'groupId';

describe.each(served.map((api) => [api.name, api] as const))('%s', (name, api) => {
  const versions = versionsOf(api.request);
  const newest = versions.at(-1)!;
  const bodies = (): unknown[] => {
    const body = bodyOf(name, world);
    return [body, filled(api.request.body.spec, body)];
  };

  it('is answered in each version', async () => {
    for (const version of versions) {
      expect(await thrower.send(api, version, bodyOf(name, world), api.request), `${version}`).toBe(
        'answered',
      );
    }
  });

  it('takes odd values of every field', async () => {
    const chance = seededRandom(SEED);
    for (const version of versions) {
      const isFlexible = version >= api.request.flexible;
      for (const which of [0, 1]) {
        for (const place of places(api.request.body.spec, bodies()[which], version)) {
          const before = valueAt(bodies()[which], place.path) ?? place.spec.absent;
          const all = [
            ...oddValues(place, version, before),
            ...wrongLengths(place, isFlexible && place.spec.from <= version),
          ];
          const chosen = version === newest ? all : some(all, VALUES_PER_FIELD, chance);
          for (const { value, as } of waitsForOthers(api, place) ? [] : chosen) {
            const schema = as === undefined ? api.request : withType(api.request, place.path, as);
            const body = withValue(bodies()[which], place.path, value);
            const outcome = await thrower.send(api, version, body, schema);
            if (outcome === 'silent') expect([name, body.acks]).toEqual(['Produce', 0]);
          }
        }
      }
    }
  });

  it('may end too early or too late', async () => {
    for (const version of new Set([versions[0]!, newest])) {
      const send = (change: (body: Buffer) => Buffer) =>
        thrower.sendChanged(api, version, bodyOf(name, world), change);
      for (let part = 0; part < CUTS; part++) {
        await send((body) => body.subarray(0, Math.floor((body.length * part) / CUTS)));
      }
      await send((body) => body.subarray(0, -1));
      await send((body) => Buffer.concat([body, Buffer.alloc(3, 1)]));
      await send((body) => Buffer.concat([body, Buffer.alloc(100_000, 0xff)]));
      await send((body) => Buffer.concat([body, body]));
    }
  });

  it('of another version closes the connection', async () => {
    for (const version of [api.min - 1, newest + 1, 0x7fff, -0x8000]) {
      const client = await WireClient.connect(running.port);
      const frame = client.encode(name, newest, bodyOf(name, world));
      frame.writeInt16BE(version, 6);
      const answer = client.nextFrame();
      client.write(frame);
      if (name === 'ApiVersions') expect((await answer)?.readInt16BE(4)).toBe(35);
      else expect(await answer, `${version}`).toBeNull();
      await client.close();
    }
  });
});
