import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { handlers } from '../../../src/broker/handlers/index.ts';
import { apis } from '../../../src/protocol/apis.ts';
import { TestCluster } from '../../support/cluster.ts';
import { type RunningBroker, startBroker, WireClient } from './fixture.ts';

const UNSUPPORTED_VERSION = 35;
const INVALID_REQUEST = 42;
const REBOOTSTRAP_REQUIRED = 129;

let running: RunningBroker;
let client: WireClient;
beforeAll(async () => {
  running = await startBroker();
  client = await WireClient.connect(running.port);
});
afterAll(async () => {
  await client.close();
  await running.stop();
});

const software = { clientSoftwareName: 'test', clientSoftwareVersion: '1.0' };

/** A request header of any key and version, without a body. */
function rawRequest(key: number, version: number, correlationId: number): Buffer {
  const header = Buffer.alloc(4 + 11); // The last byte: no tagged fields.
  header.writeInt32BE(11, 0);
  header.writeInt16BE(key, 4);
  header.writeInt16BE(version, 6);
  header.writeInt32BE(correlationId, 8);
  header.writeInt16BE(-1, 12);
  return header;
}

describe('ApiVersions', () => {
  it.each([0, 1, 2, 3, 4, 5])('answers version %i with what is served', async (version) => {
    const response = await client.request('ApiVersions', version, version >= 3 ? software : {});
    expect(response.errorCode).toBe(0);
    const told = new Map(
      response.apiKeys.map((a: any) => [a.apiKey, [a.minVersion, a.maxVersion]]),
    );
    const shown = handlers.map((h) => h.api).filter((api) => !api.forPeers);
    expect([...told.keys()]).toEqual(shown.map((api) => api.key).sort((a, b) => a - b));
    for (const api of shown) {
      expect(told.get(api.key)).toEqual([api.min, api.max]);
    }
  });

  it('tells other brokers of what is for brokers, too', async () => {
    const cluster = await TestCluster.start(1);
    const peer = await WireClient.connect(cluster.members[0]!.port);
    const asBroker = { ...software, clientSoftwareName: 'weir-broker' };
    const response = await peer.request('ApiVersions', 3, asBroker);
    const told = response.apiKeys.map((a: any) => a.apiKey);
    expect(told).toEqual(handlers.map((h) => h.api.key).sort((a, b) => a - b));
    expect(told).toContain(52);
    await peer.close();
    await cluster.stop();
    const alone = await client.request('ApiVersions', 3, asBroker);
    expect(alone.apiKeys.map((a: any) => a.apiKey)).not.toContain(52);
  });

  it('serves every API in the protocol table', () => {
    const served = new Set(handlers.map((h) => h.api.key));
    const missing = [...apis.values()].filter(({ key }) => !served.has(key)).map((a) => a.name);
    expect(missing).toEqual([]);
  });

  it('answers a version to come in version 0, with its own range alone', async () => {
    const answer = client.nextFrame();
    client.write(rawRequest(18, 99, 7));
    const frame = (await answer)!;
    expect(frame.readInt32BE(0)).toBe(7);
    expect(frame.readInt16BE(4)).toBe(UNSUPPORTED_VERSION);
    expect(frame.readInt32BE(6)).toBe(1);
    expect([frame.readInt16BE(10), frame.readInt16BE(12), frame.readInt16BE(14)]).toEqual([
      18, 0, 5,
    ]);
    expect(frame.length).toBe(16);
  });

  it.each([
    ['', '1.0'],
    ['-test', '1.0'],
    ['te st', '1.0'],
    ['test', '1.0\n'],
  ])('refuses software %j %j', async (clientSoftwareName, clientSoftwareVersion) => {
    const response = await client.request('ApiVersions', 3, {
      clientSoftwareName,
      clientSoftwareVersion,
    });
    expect(response.errorCode).toBe(INVALID_REQUEST);
  });

  it('sends a client that expects another cluster or node back to its bootstrap', async () => {
    const { clusterId, nodeId } = running.broker.services;
    const ask = async (more: object): Promise<number> =>
      (await client.request('ApiVersions', 5, { ...software, ...more })).errorCode;
    expect(await ask({ clusterId, nodeId })).toBe(0);
    expect(await ask({ clusterId: 'another' })).toBe(REBOOTSTRAP_REQUIRED);
    expect(await ask({ nodeId: nodeId + 1 })).toBe(REBOOTSTRAP_REQUIRED);
  });

  it('counts open connections by software', async () => {
    const other = await WireClient.connect(running.port);
    await other.request('ApiVersions', 3, { ...software, clientSoftwareName: 'counted' });
    expect(running.broker.connectionStats.software.get('counted 1.0')).toBe(1);
    await other.close();
    await expect
      .poll(() => running.broker.connectionStats.software.get('counted 1.0'))
      .toBe(undefined);
  });
});

describe('a request that is not served', () => {
  it.each([
    ['an unknown API', 999, 0, 'unsupported-api'],
    ['an API of controllers', 80, 0, 'unsupported-api'],
    ['a version above the highest', 3, 99, 'unsupported-version'],
    ['a negative version', 3, -1, 'unsupported-version'],
    ['a version of long ago', 1, 3, 'unsupported-version'],
  ])('%s closes the connection, counted', async (_, key, version, reason) => {
    const { closedByReason } = running.broker.connectionStats;
    const before = closedByReason.get(reason) ?? 0;
    const one = await WireClient.connect(running.port);
    one.write(rawRequest(key, version, 1));
    await one.closed;
    expect(closedByReason.get(reason)).toBe(before + 1);
    expect(running.logged.at(-1)?.fields['event.reason']).toBe(reason);
  });
});
