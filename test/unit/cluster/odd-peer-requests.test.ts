/**
 * What brokers and the controller send each other, with each field in turn as it should not be, cut
 * off or too long, sent by somebody who knows the secret of the cluster: to the controller and to a
 * broker that passes it on. The cluster answers or closes the connection, tells of no bug, goes on
 * serving, and comes back with everything after a restart.
 *
 * A peer is trusted in what it says of itself: that an epoch has begun, who leads it, who is in sync.
 * So not every odd value is without effect; what it may not do is harm that stays. Each field takes
 * some values, by chance. `WEIR_FUZZ` makes that more, `WEIR_FUZZ_SEED` repeats a run.
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { below, seededRandom } from '../../../src/base/random.ts';
import type { PartitionImage } from '../../../src/cluster/metadata-image.ts';
import { METADATA_TOPIC_ID } from '../../../src/cluster/quorum/bodies.ts';
import { METADATA_TOPIC } from '../../../src/cluster/topic-names.ts';
import { principalData } from '../../../src/protocol/stored/principal-data.ts';
import { encodeVersioned } from '../../../src/protocol/stored/versioned.ts';
import { secretClient } from '../../../src/security/sasl/clients.ts';
import { versionsOf } from '../../property/random-message.ts';
import { TestCluster } from '../../support/cluster.ts';
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
import { bodyOf } from '../../support/request-bodies.ts';
import { Thrower } from '../../support/thrower.ts';
import { apiOf, batchOf, createTopic, type Loose, produce, WireClient } from '../broker/fixture.ts';

const SEED = Number(process.env['WEIR_FUZZ_SEED'] ?? 20_261_130);
/** Of each field, in the newest version and in those before it. */
const VALUES_NEWEST = 5 * Number(process.env['WEIR_FUZZ'] ?? 1);
const VALUES_BEFORE = Number(process.env['WEIR_FUZZ'] ?? 1);
const CUTS = 12;
const SECRET = 'the secret of a cluster of tests';
const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA';
/** A broker that is none, but has registered. */
const STRANGER = 50;

let cluster: TestCluster;
let neighbour: WireClient;
let topicId: string;
let strangersEpoch = -1;
let count = 0;

/** The controller; an election may be under way. */
async function controller(): Promise<number> {
  await expect.poll(() => cluster.controllerId, { timeout: 60_000 }).toBeGreaterThanOrEqual(0);
  return cluster.controllerId;
}

const chance = seededRandom(SEED);
const nonces = seededRandom(SEED + 1);

async function peer(port: number): Promise<WireClient> {
  const client = await WireClient.connect(port);
  const login = secretClient(SECRET, 'odd', nonces);
  await client.request('SaslHandshake', 1, { mechanism: login.mechanism });
  let token: Buffer | null = await login.first();
  while (token !== null) {
    const answer = await client.request('SaslAuthenticate', 2, { authBytes: token });
    expect(answer.errorCode).toBe(0);
    token = await login.next(answer.authBytes);
  }
  return client;
}

const thrower = new Thrower(async () => {
  const id = below(chance, 2) === 0 ? await controller() : below(chance, 3);
  return peer(cluster.members[id]!.port);
});

beforeAll(async () => {
  cluster = await TestCluster.start(3, { 'metadata.log.max.record.bytes.between.snapshots': 4096 });
  neighbour = await WireClient.connect(cluster.members[0]!.port);
  topicId = await createTopic(neighbour, 'odd', 2);
  await createTopic(neighbour, 'steady');
  await produce(neighbour, 'odd', batchOf(['a', 'b']));
});
afterAll(async () => {
  await neighbour?.close();
  await cluster?.stop();
});

const metadata = <T>(partition: T): Loose[] => [
  { topicName: METADATA_TOPIC, partitions: [partition] },
];

/** For every request of a peer, one that says something true. */
const bodies: Readonly<Record<string, () => Loose>> = {
  Vote: () => {
    const { clusterId, epoch } = quorum();
    return {
      clusterId,
      topics: metadata({
        partitionIndex: 0,
        replicaEpoch: epoch,
        replicaId: 1,
        replicaDirectoryId: directoryOf(1),
        voterDirectoryId: ZERO_UUID,
        lastOffsetEpoch: epoch,
        lastOffset: 1_000_000,
        preVote: true,
      }),
    };
  },
  BeginQuorumEpoch: () => {
    const { clusterId, epoch, leaderId } = quorum();
    return {
      clusterId,
      topics: metadata({
        partitionIndex: 0,
        voterDirectoryId: ZERO_UUID,
        leaderId,
        leaderEpoch: epoch,
      }),
    };
  },
  EndQuorumEpoch: () => {
    const { clusterId, epoch, leaderId } = quorum();
    const preferredCandidates = [0, 1, 2].map((candidateId) => ({
      candidateId,
      candidateDirectoryId: directoryOf(candidateId),
    }));
    return {
      clusterId,
      topics: metadata({
        partitionIndex: 0,
        leaderId,
        leaderEpoch: epoch,
        preferredCandidates,
      }),
    };
  },
  FetchSnapshot: () => {
    const { clusterId, epoch } = quorum();
    return {
      clusterId,
      replicaId: 1,
      maxBytes: 1000,
      topics: [
        {
          name: METADATA_TOPIC,
          partitions: [
            {
              partition: 0,
              currentLeaderEpoch: epoch,
              snapshotId: snapshotId(),
              position: 0,
              replicaDirectoryId: directoryOf(1),
            },
          ],
        },
      ],
    };
  },
  'Fetch of the metadata': () => {
    const { clusterId, epoch } = quorum();
    return {
      clusterId,
      replicaId: 1,
      replicaState: { replicaId: 1, replicaEpoch: -1 },
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1000,
      topics: [
        {
          topic: METADATA_TOPIC,
          topicId: METADATA_TOPIC_ID,
          partitions: [
            {
              partition: 0,
              currentLeaderEpoch: epoch,
              fetchOffset: 1,
              lastFetchedEpoch: 1,
              partitionMaxBytes: 1000,
              replicaDirectoryId: directoryOf(1),
            },
          ],
        },
      ],
    };
  },
  'Fetch of a follower': () => {
    const { leaderEpoch } = partition();
    const replicaId = (partition().leader + 1) % 3;
    return {
      replicaId,
      replicaState: { replicaId, replicaEpoch: brokerEpoch(replicaId) },
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1000,
      topics: [
        {
          topic: 'odd',
          topicId,
          partitions: [
            {
              partition: 0,
              currentLeaderEpoch: leaderEpoch,
              fetchOffset: 1,
              lastFetchedEpoch: leaderEpoch,
              partitionMaxBytes: 1000,
            },
          ],
        },
      ],
    };
  },
  BrokerRegistration: () => ({
    brokerId: STRANGER,
    clusterId: quorum().clusterId,
    incarnationId: 'BBBBBBBBBBBBBBBBBBBBBA',
    listeners: [{ name: 'PLAINTEXT', host: '127.0.0.1', port: 1, securityProtocol: 0 }],
    features: [{ name: 'metadata.version', minSupportedVersion: 1, maxSupportedVersion: 99 }],
    rack: 'rack',
    logDirs: ['CCCCCCCCCCCCCCCCCCCCCA'],
    previousBrokerEpoch: -1,
  }),
  BrokerHeartbeat: () => ({
    brokerId: STRANGER,
    brokerEpoch: strangersEpoch,
    currentMetadataOffset: 1_000_000,
    wantFence: true,
    wantShutDown: false,
    offlineLogDirs: [],
  }),
  AlterPartition: () => {
    const { leader, leaderEpoch, partitionEpoch, isr } = partition();
    return {
      brokerId: leader,
      brokerEpoch: brokerEpoch(leader),
      topics: [
        {
          topicId,
          partitions: [
            {
              partitionIndex: 0,
              leaderEpoch,
              newIsr: [...isr],
              newIsrWithEpochs: isr.map((id) => ({ brokerId: id, brokerEpoch: brokerEpoch(id) })),
              leaderRecoveryState: 0,
              partitionEpoch,
            },
          ],
        },
      ],
    };
  },
  AllocateProducerIds: () => ({ brokerId: 1, brokerEpoch: brokerEpoch(1) }),
  AssignReplicasToDirs: () => ({
    brokerId: 1,
    brokerEpoch: brokerEpoch(1),
    directories: [
      { id: directoryOf(1), topics: [{ topicId, partitions: [{ partitionIndex: 0 }] }] },
    ],
  }),
  Envelope: () => {
    const inner = inside[count++ % inside.length]!;
    const api = apiOf(inner);
    const version = api.max;
    const body = bodyOf(inner, {
      ...{ topic: 'odd', topicId, base: Date.now(), consumers: 'none' },
      fresh: (prefix) => `odd-${prefix}-${count++}`,
    });
    const all = places(api.request.body.spec, body, version);
    const place = all[below(chance, all.length)]!;
    const odd = [
      { value: valueAt(body, place.path) },
      ...oddValues(place, version, undefined).filter(({ as }) => as === undefined),
    ];
    const { value } = odd[below(chance, odd.length)]!;
    const frame = neighbour.encode(inner, version, withValue(body, place.path, value) as Loose);
    return {
      requestData: frame.subarray(4),
      requestPrincipal: encodeVersioned(principalData, principalData.max, {
        type: 'User',
        name: 'somebody',
        tokenAuthenticated: false,
      }),
      clientHostAddress: Buffer.from([127, 0, 0, 1]),
    };
  },
  WriteTxnMarkers: () =>
    bodyOf('WriteTxnMarkers', {
      ...{ topic: 'odd', topicId, base: Date.now(), consumers: 'none' },
      fresh: (prefix) => `odd-${prefix}-${count++}`,
    }),
};

/** What travels in an envelope, most of it at least. */
const inside = [
  'CreateTopics',
  'CreatePartitions',
  'IncrementalAlterConfigs',
  'AlterPartitionReassignments',
  'ElectLeaders',
  'AlterClientQuotas',
  'CreateAcls',
  'DescribeQuorum',
  'UpdateFeatures',
  'Metadata',
];

const main = () => cluster.broker(Math.max(0, cluster.controllerId)).services;
function quorum() {
  const { clusterId, quorum: q } = main();
  return { clusterId, epoch: q.epoch, leaderId: q.leaderId };
}
/** The newest of the controller. */
function snapshotId() {
  const { directory } = cluster.members[main().nodeId]!;
  const names = fs.readdirSync(path.join(directory, `${METADATA_TOPIC}-0`));
  const found = names
    .filter((name) => name.endsWith('.checkpoint'))
    .toSorted()
    .at(-1);
  const [endOffset = 0, epoch = 0] = (found ?? '').split(/[-.]/).map(Number);
  return { endOffset, epoch };
}
const image = () => main().store.image;
const directoryOf = (id: number): string => image().brokers.get(id)?.logDirs[0] ?? ZERO_UUID;
const brokerEpoch = (id: number): number => image().brokers.get(id)?.epoch ?? -1;
const partition = (): PartitionImage => image().topic('odd')!.partitions[0]!;

/** Of a message, an epoch that leaves none for those who come after: a peer could say so, and end it all. */
const isLastEpoch = ({ path }: Place, value: unknown): boolean =>
  /^(replica|leader)Epoch$/.test(String(path.at(-1))) && Number(value) > 1_000;

/** Others get what they ask for, and nothing was a bug. */
async function isWell(): Promise<void> {
  await controller();
  const name = `after-${count++}`;
  await createTopic(neighbour, name);
  await expect
    .poll(
      async () => {
        const { port } = cluster.members[partitionOf('steady').leader]!;
        const client = await WireClient.connect(port);
        const { errorCode } = await produce(client, 'steady', batchOf(['v']), { acks: -1 });
        await client.close();
        return errorCode;
      },
      { timeout: 60_000 },
    )
    .toBe(0);
  expect(cluster.logged.filter(({ level }) => level === 'error')).toEqual([]);
  for (const { services } of cluster.running) {
    await expect.poll(() => services.connectionStats.queuedResponseBytes).toBe(0);
  }
}
const partitionOf = (topic: string): PartitionImage => image().topic(topic)!.partitions[0]!;

/** Registers it anew. */
async function register(): Promise<void> {
  const client = await peer(cluster.members[await controller()]!.port);
  const own = { incarnationId: 'DDDDDDDDDDDDDDDDDDDDDA', logDirs: ['EEEEEEEEEEEEEEEEEEEEEA'] };
  const body = { ...bodies['BrokerRegistration']!(), ...own };
  const answer = await client.request('BrokerRegistration', 4, body);
  expect(answer.errorCode).toBe(0);
  strangersEpoch = answer.brokerEpoch;
  await client.close();
}

describe.each(Object.keys(bodies))('%s', (name) => {
  const api = apiOf(name.split(' ')[0]!);
  const versions = versionsOf(api.request);
  const newest = versions.at(-1)!;
  const body = async (): Promise<Loose> => {
    await controller();
    if (name === 'BrokerHeartbeat' && strangersEpoch < 0) await register();
    return bodies[name]!();
  };

  it('is answered in each version', async () => {
    for (const version of versions) {
      expect(await thrower.send(api, version, await body(), api.request), `${version}`).toBe(
        'answered',
      );
    }
    await isWell();
  });

  it('takes odd values of every field', async () => {
    for (const version of versions) {
      const isFlexible = version >= api.request.flexible;
      const { spec } = api.request.body;
      for (const prepare of [(b: unknown) => b, (b: unknown) => filled(spec, b)]) {
        for (const place of places(spec, prepare(await body()), version)) {
          const before = valueAt(prepare(await body()), place.path) ?? place.spec.absent;
          const all = [
            ...oddValues(place, version, before),
            ...wrongLengths(place, isFlexible && place.spec.from <= version),
          ].filter(({ value }) => !isLastEpoch(place, value));
          const chosen = some(all, version === newest ? VALUES_NEWEST : VALUES_BEFORE, chance);
          for (const { value, as } of chosen) {
            const schema = as === undefined ? api.request : withType(api.request, place.path, as);
            await thrower.send(
              api,
              version,
              withValue(prepare(await body()), place.path, value),
              schema,
            );
          }
        }
      }
    }
    await isWell();
  });

  it('may end too early or too late', async () => {
    for (const version of new Set([versions[0]!, newest])) {
      const send = async (change: (bytes: Buffer) => Buffer) =>
        thrower.sendChanged(api, version, await body(), change);
      for (let part = 0; part < CUTS; part++) {
        await send((bytes) => bytes.subarray(0, Math.floor((bytes.length * part) / CUTS)));
      }
      await send((bytes) => bytes.subarray(0, -1));
      await send((bytes) => Buffer.concat([bytes, Buffer.alloc(3, 1)]));
      await send((bytes) => Buffer.concat([bytes, bytes]));
    }
    await isWell();
  });
});

it('all brokers come back after that with what they had', async () => {
  await thrower.close();
  const names = [...image().topics.keys()];
  await Promise.all(cluster.members.map(({ id }) => cluster.stopBroker(id)));
  await Promise.all(cluster.members.map(({ id }) => cluster.startBroker(id)));
  await neighbour.close();
  neighbour = await WireClient.connect(cluster.members[0]!.port);
  await isWell();
  expect(names.every((name) => image().topic(name) !== undefined)).toBe(true);
});
