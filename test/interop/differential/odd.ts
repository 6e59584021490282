/**
 * Requests with a field that is not as it should be: out of its range, empty, unknown, twice, null
 * where it may not be, cut off. Made from the schemas, so that no field of any version is forgotten.
 */
import { below, type Random, seededRandom } from '../../../src/base/random.ts';
import type { Api } from '../../../src/protocol/apis.ts';
import type { Message } from '../../../src/protocol/schema.ts';
import { fuzzRounds, fuzzSeed } from '../../support/fuzz.ts';
import {
  filled,
  type Odd,
  oddValues,
  type Place,
  places,
  valueAt,
  withType,
  withValue,
} from '../../support/odd-values.ts';
import { bodyOf, type World } from '../../support/request-bodies.ts';
import type { Loose } from '../../unit/broker/fixture.ts';
import { comparedVersions, served } from './coverage.ts';
import type { Side } from './side.ts';

const RANDOM_STEPS = fuzzRounds(600);
const SEED = fuzzSeed(20_261_128);

/** Fields whose every value is an answer later, or none: waiting is not what is compared here. */
const WAITS = new Set(['maxWaitMs', 'timeoutMs', 'minBytes', 'rebalanceTimeoutMs']);

/** They change the metadata, and a broker of Kafka knows of it a moment after the controller's answer. */
const CHANGES_METADATA = /^(Alter|Create|Delete|Elect|IncrementalAlter|Unregister|Update)/;

interface Uncompared {
  /** Matches the API, the path and what is odd there. */
  readonly what: RegExp;
  readonly reason: string;
}

const uncompared: readonly Uncompared[] = [
  {
    what: /^Produce topicData(\.0\.partitionData)? twice/,
    reason: 'Of two batches for a partition Kafka forgets the first; we append both.',
  },
  {
    what: /^(Produce \S+\.records null|AlterConfigs resources twice)/,
    reason: 'Kafka never answers.',
  },
  {
    what: /^(Fetch|OffsetCommit|OffsetDelete|TxnOffsetCommit|DeleteRecords) topics(\.0\.partitions)? twice/,
    reason: 'Kafka puts together what is named twice, or takes it apart; we answer as asked.',
  },
  {
    what: /^(ConsumerGroupHeartbeat|JoinGroup) groupId "[^"]/,
    reason: 'A group that others are in by then: what it answers depends on the time.',
  },
  {
    what: /^WriteTxnMarkers \S+ (twice|empty)$/,
    reason: 'Sent by brokers alone, who name everything once.',
  },
  {
    what: /^UnregisterBroker brokerId 1$/,
    reason: "It would take Kafka's only broker out of service.",
  },
  {
    what: /^ElectLeaders topicPartitions empty$/,
    reason: 'With no partition to tell an error of, Kafka has none.',
  },
  {
    what: /^Produce acks 0$/,
    reason: 'There is no answer.',
  },
];

interface OddRequest {
  readonly isCompared: boolean;
  readonly body: Loose;
  readonly schema: Message<any>;
  readonly note: string;
}

function oddRequest(
  api: Api,
  base: Loose,
  place: Place,
  odd: Odd,
  before?: Message<any>,
): OddRequest {
  const schema = before ?? api.request;
  const { as } = odd;
  const what = `${place.path.join('.')} ${odd.label}`;
  return {
    isCompared: !uncompared.some((rule) => rule.what.test(`${api.name} ${what}`)),
    body: withValue(base, place.path, odd.value),
    schema: as === undefined ? schema : withType(schema, place.path, as),
    note: what,
  };
}

const barrierOf = (topic: string): string => `${topic}-barrier`;

async function world(side: Side, topic: string): Promise<World> {
  const topicId = await side.makeTopic(topic, 2);
  await side.makeTopic(barrierOf(topic));
  await side.settle(
    'InitProducerId',
    4,
    { transactionalId: null, transactionTimeoutMs: 1000 },
    (a) => a.errorCode === 0,
  );
  const coordinator = { key: 'odd-group', keyType: 0 };
  await side.settle('FindCoordinator', 3, coordinator, (a) => a.errorCode === 0);
  await side.settle(
    'OffsetCommit',
    7,
    {
      groupId: 'odd-group',
      generationIdOrMemberEpoch: -1,
      memberId: '',
      topics: [{ name: topic, partitions: [{ partitionIndex: 0, committedOffset: 1 }] }],
    },
    (a) => a.topics[0].partitions[0].errorCode === 0,
  );
  const consumers = `${topic}-consumers`;
  const joining = {
    groupId: consumers,
    memberId: 'AAAAAAAAAAAAAAAAAAAAAQ',
    memberEpoch: 0,
    rebalanceTimeoutMs: 60_000,
    subscribedTopicNames: [],
    topicPartitions: [],
  };
  await side.settle('ConsumerGroupHeartbeat', 1, joining, (a) => a.errorCode === 0);
  let count = 0;
  return {
    consumers,
    topic,
    topicId,
    base: side.base,
    fresh: (prefix) => `${topic}-${prefix}-${count++}`,
  };
}

const ask = (side: Side, api: Api, version: number, { body, schema, note }: OddRequest) =>
  side.askOddly(api.name, version, body, schema, note);

async function caughtUp(side: Side, w: World, api: Api): Promise<void> {
  if (CHANGES_METADATA.test(api.name)) await side.caughtUp(barrierOf(w.topic));
}

/** Each API in each version, with nothing odd about it. */
export async function eachVersion(side: Side): Promise<void> {
  const w = await world(side, 'even');
  for (const api of served) {
    for (const version of comparedVersions(api)) {
      await side.ask(api.name, version, bodyOf(api.name, w));
      if (api.name === 'UpdateFeatures') {
        const update = {
          feature: 'eligible.leader.replicas.version',
          maxVersionLevel: 1,
          upgradeType: 1,
        };
        await side.ask(api.name, version, { featureUpdates: [update] }, 'as it is');
      }
    }
  }
}

/** One field after the other takes each odd value, in the newest version of each API. */
export async function eachField(side: Side): Promise<void> {
  const w = await world(side, 'odd-each');
  for (const api of served) {
    const version = comparedVersions(api).at(-1)!;
    const body = (): Loose => bodyOf(api.name, w);
    for (const place of places(api.request.body.spec, body(), version, WAITS)) {
      await eachValue(side, api, version, body, place);
    }
    await caughtUp(side, w, api);
  }
}

/** The same for the fields of what such a request leaves out: it has one item in every list. */
export async function eachInnerField(side: Side): Promise<void> {
  const w = await world(side, 'odd-inner');
  for (const api of served) {
    const version = comparedVersions(api).at(-1)!;
    const { spec } = api.request.body;
    const body = (): Loose => filled(spec, bodyOf(api.name, w)) as Loose;
    const within = (base: Loose): Place[] => places(spec, base, version, WAITS);
    const outer = new Set(within(bodyOf(api.name, w)).map(({ path }) => path.join('.')));
    for (const place of within(body())) {
      if (!outer.has(place.path.join('.'))) await eachValue(side, api, version, body, place);
    }
    await caughtUp(side, w, api);
  }
}

async function eachValue(
  side: Side,
  api: Api,
  version: number,
  body: () => Loose,
  place: Place,
): Promise<void> {
  const before = valueAt(body(), place.path) ?? place.spec.absent;
  for (const odd of oddValues(place, version, before)) {
    const request = oddRequest(api, body(), place, odd);
    if (request.isCompared) await ask(side, api, version, request);
  }
}

/** Any API in any version, as it should be or with up to three odd fields. */
export async function random(side: Side): Promise<void> {
  const w = await world(side, 'odd-random');
  const chance = seededRandom(SEED);
  for (let step = 0; step < RANDOM_STEPS; step++) {
    const api = pick(chance, served);
    const version = pick(chance, comparedVersions(api));
    let request: OddRequest = {
      isCompared: true,
      body: bodyOf(api.name, w),
      schema: api.request,
      note: '',
    };
    for (let n = below(chance, 4); n > 0; n--) {
      const all = places(api.request.body.spec, request.body, version, WAITS);
      if (all.length === 0) break;
      const place = pick(chance, all);
      const values = oddValues(
        place,
        version,
        valueAt(request.body, place.path) ?? place.spec.absent,
      );
      if (values.length === 0) continue;
      const next = oddRequest(api, request.body, place, pick(chance, values), request.schema);
      if (next.isCompared) request = { ...next, note: `${request.note} ${next.note}` };
    }
    await ask(side, api, version, { ...request, note: `step ${step}${request.note}` });
    await caughtUp(side, w, api);
  }
}

const pick = <T>(chance: Random, from: readonly T[]): T => from[below(chance, from.length)]!;

/** Size, API, version, correlation id and client id come before the body. */
const BODY_AT = 4 + 2 + 2 + 4 + 2 + 'test'.length;

/** Bodies that end too early or go on behind their end. */
export async function cut(side: Side): Promise<void> {
  const w = await world(side, 'odd-cut');
  for (const api of served) {
    const versions = comparedVersions(api);
    for (const version of new Set([versions[0]!, versions.at(-1)!])) {
      for (const part of [0, 0.3, 0.6, 0.9, 1]) {
        const change = (frame: Buffer): Buffer => {
          const length = frame.length - BODY_AT;
          const kept = part === 1 ? length - 1 : Math.floor(length * part);
          return resized(frame.subarray(0, BODY_AT + Math.max(0, kept)));
        };
        await side.askBroken(api.name, version, bodyOf(api.name, w), change, `cut at ${part}`);
      }
      const longer = (frame: Buffer): Buffer => resized(Buffer.concat([frame, Buffer.alloc(3, 1)]));
      await side.askBroken(api.name, version, bodyOf(api.name, w), longer, 'three bytes more');
    }
  }
}

function resized(frame: Buffer): Buffer {
  const copy = Buffer.from(frame);
  copy.writeInt32BE(copy.length - 4, 0);
  return copy;
}
