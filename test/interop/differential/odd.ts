/**
 * Requests with a field that is not as it should be: out of its range, empty, unknown, twice, null
 * where it may not be, cut off. Made from the schemas, so that no field of any version is forgotten.
 */
import { ZERO_UUID } from '../../../src/base/bytes.ts';
import { below, type Random, seededRandom } from '../../../src/base/random.ts';
import type { Api } from '../../../src/protocol/apis.ts';
import type { Message, Spec } from '../../../src/protocol/schema.ts';
import type { Loose } from '../../unit/broker/fixture.ts';
import { bodyOf, type World } from './bodies.ts';
import { comparedVersions, served } from './coverage.ts';
import { UNKNOWN_ID } from './requests.ts';
import type { Side } from './side.ts';

const RANDOM_STEPS = 600 * Number(process.env['WEIR_FUZZ'] ?? 1);
const SEED = Number(process.env['WEIR_FUZZ_SEED'] ?? 20_261_128);

/** Where a value stands in a body. */
interface Place {
  readonly path: readonly (string | number)[];
  readonly spec: Spec;
}

/** A value, and the type that carries it where the field's own one can't. */
interface Odd {
  readonly label: string;
  readonly value: unknown;
  readonly as?: Partial<Spec>;
}

const isLive = (spec: Spec, version: number): boolean => spec.from <= version && version <= spec.to;

/** They change the metadata, and a broker of Kafka knows of it a moment after the controller's answer. */
const CHANGES_METADATA = /^(Alter|Create|Delete|Elect|IncrementalAlter|Unregister|Update)/;

/** Fields whose every value is an answer later, or none: waiting is not what is compared here. */
const WAITS = new Set(['maxWaitMs', 'timeoutMs', 'minBytes', 'rebalanceTimeoutMs']);

function places(spec: Spec, value: unknown, version: number, path: Place['path'] = []): Place[] {
  if (value === null || value === undefined) return [{ path, spec }];
  if (spec.kind === 'array') {
    const items = value as unknown[];
    const inside = items.length === 0 ? [] : places(spec.item!, items[0], version, [...path, 0]);
    return [{ path, spec }, ...inside];
  }
  if (spec.kind !== 'struct') return [{ path, spec }];
  const inside = spec.fields
    .filter(([name, field]) => isLive(field, version) && !WAITS.has(name))
    .flatMap(([name, field]) =>
      places(field, (value as Loose)[name] ?? field.absent, version, [...path, name]),
    );
  return path.length === 0 ? inside : [{ path, spec }, ...inside];
}

const each = (values: readonly unknown[]): Odd[] =>
  values.map((value) => ({ label: brief(value), value }));

/** Bits of the lowest, of a large and of nearly the highest number of 64 bits, as those of doubles. */
const BEYOND_DOUBLES = [-0, 2, Number.MAX_VALUE];

function oddValues({ spec, path }: Place, version: number, value: unknown): Odd[] {
  // Of an item the array tells whether it may be left out.
  const isItem = typeof path.at(-1) === 'number';
  const none: Odd[] =
    isItem && spec.kind === 'struct'
      ? []
      : [{ label: 'null', value: null, as: version >= spec.nullFrom ? {} : { nullFrom: 0 } }];
  switch (spec.kind) {
    case 'bool':
      return each([value !== true]);
    case 'int8':
      return each([-128, -2, -1, 0, 1, 2, 3, 99, 127]);
    case 'int16':
      return each([-32_768, -2, -1, 0, 1, 2, 32_767]);
    case 'int32':
      return each([-2_147_483_648, -2, -1, 0, 1, 2, 7, 2_147_483_647]);
    case 'int64':
      return [
        ...each([-(2 ** 53) + 1, -6, -5, -4, -3, -2, -1, 0, 1, 7, 2 ** 53 - 1]),
        ...BEYOND_DOUBLES.map((bits) => ({
          label: `bits of ${bits}`,
          value: bits,
          as: { kind: 'float64' } as const,
        })),
      ];
    case 'uint16':
      return each([0, 1, 65_535]);
    case 'string':
      return [
        ...each(['', 'absent', ' ', 'a b', 'ünïcode', 'x'.repeat(250), 'x'.repeat(32_767)]),
        ...none,
      ];
    case 'uuid':
      return each([ZERO_UUID, UNKNOWN_ID]);
    case 'bytes':
    case 'records':
      return [...each([Buffer.alloc(0), Buffer.from([1, 2, 3]), Buffer.alloc(100, 0xff)]), ...none];
    case 'array': {
      const items = (value ?? []) as unknown[];
      const changed = [
        { label: 'empty', value: [] },
        { label: 'twice', value: [...items, ...items] },
      ];
      return [...changed, ...none];
    }
    default:
      return version >= spec.nullFrom ? none : [];
  }
}

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

const at = (body: any, path: Place['path']): unknown =>
  path.reduce((value, step) => value?.[step], body);

function withValue(body: any, path: Place['path'], value: unknown): any {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  const copy = Array.isArray(body) ? [...body] : { ...body };
  copy[step] = withValue(copy[step], rest, value);
  return copy;
}

/** The schema with another type at that place. */
function withType(spec: Spec, path: Place['path'], as: Partial<Spec>): Spec {
  const [step, ...rest] = path;
  if (step === undefined) return { ...spec, ...as };
  if (typeof step === 'number') return { ...spec, item: withType(spec.item!, rest, as) };
  return {
    ...spec,
    fields: spec.fields.map(([name, field]) => [
      name,
      name === step ? withType(field, rest, as) : field,
    ]),
  };
}

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
    schema:
      as === undefined
        ? schema
        : ({
            ...schema,
            body: { spec: withType(schema.body.spec, place.path, as) },
          } as Message<any>),
    note: what,
  };
}

const brief = (value: unknown): string =>
  Object.is(value, -0) ? '-0' : (JSON.stringify(value)?.slice(0, 60) ?? 'undefined');

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
    const base = bodyOf(api.name, w);
    for (const place of places(api.request.body.spec, base, version)) {
      for (const odd of oddValues(place, version, at(base, place.path) ?? place.spec.absent)) {
        const request = oddRequest(api, bodyOf(api.name, w), place, odd);
        if (request.isCompared) await ask(side, api, version, request);
      }
    }
    await caughtUp(side, w, api);
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
      const all = places(api.request.body.spec, request.body, version);
      if (all.length === 0) break;
      const place = pick(chance, all);
      const values = oddValues(place, version, at(request.body, place.path) ?? place.spec.absent);
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
