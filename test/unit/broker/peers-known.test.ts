import { afterEach, describe, expect, it } from 'vitest';
import { systemRandom } from '../../../src/base/random.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { BROKER } from '../../../src/security/principal.ts';
import { secretClient } from '../../../src/security/sasl/clients.ts';
import type { SaslClient } from '../../../src/security/sasl/sasl-client.ts';
import { SECRET_MECHANISM } from '../../../src/security/sasl/secret.ts';
import { TestCluster } from '../../support/cluster.ts';
import { WireClient } from './fixture.ts';

const SECRET = 'the secret of a cluster of tests';

let cluster: TestCluster;
const clients: WireClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  await cluster.stop();
});

async function connect(): Promise<WireClient> {
  const client = await WireClient.connect(cluster.members[0]!.port);
  clients.push(client);
  return client;
}

/** Resolves to the error of the last answer. */
async function prove(client: WireClient, sasl: SaslClient): Promise<number> {
  const { errorCode } = await client.request('SaslHandshake', 1, { mechanism: sasl.mechanism });
  if (errorCode !== 0) return errorCode;
  let token: Buffer | null = await sasl.first();
  while (token !== null) {
    const answer = await client.request('SaslAuthenticate', 2, { authBytes: token });
    if (answer.errorCode !== 0) return answer.errorCode;
    token = await sasl.next(answer.authBytes);
  }
  return 0;
}

const heartbeat = { brokerId: 1, brokerEpoch: 5, currentMetadataOffset: 0 };

describe('brokers of a cluster', () => {
  it('take nobody for one of them who has not shown that he is', async () => {
    cluster = await TestCluster.start(2);
    const stranger = await connect();
    const { apiKeys } = await stranger.request('ApiVersions', 3, {
      clientSoftwareName: 'weir-broker',
      clientSoftwareVersion: '1',
    });
    expect(apiKeys.length).toBeGreaterThan(20);
    const vote = { clusterId: null, voterId: 0, topics: [] };
    for (const [name, version, body] of [
      ['Vote', 1, vote],
      ['BrokerHeartbeat', 0, heartbeat],
      ['FetchSnapshot', 0, { topics: [] }],
      ['Envelope', 0, { requestData: Buffer.alloc(0), clientHostAddress: Buffer.alloc(4) }],
    ] as const) {
      expect(await stranger.request(name, version, body)).toMatchObject({
        errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
      });
    }
    await stranger.request('Metadata', 9, { topics: [] });
  });

  it('believe nobody else what a follower has, nor show him what only followers see', async () => {
    cluster = await TestCluster.start(2);
    const stranger = await connect();
    const { topics } = await stranger.request('CreateTopics', 7, {
      topics: [{ name: 't', numPartitions: 1, replicationFactor: 2 }],
    });
    expect(topics[0].errorCode).toBe(0);
    const { services } = cluster.broker(0);
    await expect.poll(() => services.image.topic('t')?.partitions[0]?.leader).toBeDefined();
    const { leader } = services.image.topic('t')!.partitions[0]!;
    const client = await WireClient.connect(cluster.members[leader]!.port);
    clients.push(client);
    const ask = async (replicaId: number): Promise<number> => {
      const partitions = [{ partition: 0, partitionMaxBytes: 1, fetchOffset: 0 }];
      const body = { maxBytes: 1, topics: [{ topic: 't', partitions }] };
      const answer = await client.request('Fetch', 11, { replicaId, ...body });
      return answer.responses[0].partitions[0].errorCode;
    };
    await expect.poll(() => ask(-1)).toBe(0);
    expect(await ask(1 - leader)).toBe(ErrorCode.TOPIC_AUTHORIZATION_FAILED);
    expect(await prove(client, secretClient(SECRET, 'test', systemRandom))).toBe(0);
    expect(await ask(1 - leader)).toBe(0);
  });

  it('know each other by the secret of the appliance', async () => {
    cluster = await TestCluster.start(2);
    const principals = cluster.running.flatMap((broker) =>
      broker.openListeners.flatMap((listener) =>
        [...listener.connections].map(({ info }) => info.principal),
      ),
    );
    expect(principals.length).toBeGreaterThan(0);
    expect(principals.every((principal) => principal === BROKER)).toBe(true);
    const client = await connect();
    expect(await prove(client, secretClient(SECRET, 'test', systemRandom))).toBe(0);
    expect(await client.request('BrokerHeartbeat', 0, heartbeat)).not.toMatchObject({
      errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    });
  });

  it('refuse another secret, and other mechanisms where clients are not asked', async () => {
    cluster = await TestCluster.start(2, { 'connection.failed.authentication.delay.ms': 10 });
    const client = await connect();
    expect(await prove(client, secretClient('another', 'test', systemRandom))).toBe(
      ErrorCode.SASL_AUTHENTICATION_FAILED,
    );
    await client.closed;
    const other = await connect();
    expect(await other.request('SaslHandshake', 1, { mechanism: 'SCRAM-SHA-256' })).toEqual({
      errorCode: ErrorCode.ILLEGAL_SASL_STATE,
      mechanisms: [],
    });
    await other.request('Metadata', 9, { topics: [] });
    expect(SECRET_MECHANISM).toBe('WEIR-SECRET');
  });
});
