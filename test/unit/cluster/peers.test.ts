import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { nodeDisk } from '../../../src/base/node-disk.ts';
import { nodeTransport } from '../../../src/base/node-transport.ts';
import { seededRandom } from '../../../src/base/random.ts';
import type { Listening, Stream } from '../../../src/base/transport.ts';
import { calls } from '../../../src/client/call.ts';
import { type Channel, NetworkPeers } from '../../../src/cluster/peers.ts';
import { voteRequestOf } from '../../../src/cluster/quorum/bodies.ts';
import { formatCluster } from '../../../src/cluster/quorum/format.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { type RunningBroker, startBroker } from '../broker/fixture.ts';
import { FakeBroker } from '../client/fake-broker.ts';

const SOFTWARE = {
  clientSoftwareName: 'test',
  clientSoftwareVersion: '1',
  clusterId: null,
  nodeId: -1,
};

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function newPeers(): { peers: NetworkPeers; lost: [number, Channel][] } {
  const peers = new NetworkPeers({
    nodeId: 1,
    transport: nodeTransport,
    clock: systemClock,
    security: null,
    logger: silentLogger,
  });
  closers.push(() => peers.close());
  const lost: [number, Channel][] = [];
  peers.onLost((id, channel) => lost.push([id, channel]));
  return { peers, lost };
}

async function broker(): Promise<RunningBroker> {
  const running = await startBroker();
  closers.push(() => running.stop());
  return running;
}

describe('requests to other brokers', () => {
  it('include those that clients are not told of', async () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-peers-test-'));
    formatCluster({
      disk: nodeDisk,
      random: seededRandom(1),
      brokers: [{ id: 0, dirs: [directory] }],
    });
    const given = { 'cluster.brokers': ['0@127.0.0.1:1', '1@127.0.0.1:1'] };
    const running = await startBroker(given, { directory });
    closers.push(() => running.stop());
    const { port, broker: target } = running;
    const { peers } = newPeers();
    peers.setAddress(0, '127.0.0.1', port);
    const voter = { id: 1, directoryId: 'S9M0RZaDS02vYH3ohG4FXA' };
    const body = voteRequestOf({
      clusterId: target.services.clusterId,
      epoch: 99,
      from: voter,
      to: { id: 0, directoryId: voter.directoryId },
      lastEpoch: 0,
      endOffset: 0,
      preVote: true,
    });
    const answer = await peers.send(0, 'quorum', calls.vote, body, 1_000);
    expect(answer.topics[0]!.partitions[0]!.errorCode).toBe(ErrorCode.INVALID_VOTER_KEY);
  });

  it('share a connection for each channel', async () => {
    const { port, broker: target } = await broker();
    const { peers } = newPeers();
    peers.setAddress(0, '127.0.0.1', port);
    const send = (channel: Channel) => peers.send(0, channel, calls.apiVersions, SOFTWARE, 1_000);
    await Promise.all([send('quorum'), send('quorum'), send('control')]);
    await send('control');
    expect(target.connectionStats.open).toBe(2);
  });

  it('fail where no broker is known, or none answers', async () => {
    const { peers, lost } = newPeers();
    const send = (id: number) => peers.send(id, 'quorum', calls.apiVersions, SOFTWARE, 1_000);
    await expect(send(7)).rejects.toMatchObject({ code: 'no-broker' });
    peers.setAddress(0, '127.0.0.1', 1);
    await expect(send(0)).rejects.toMatchObject({ code: 'no-broker' });
    // At once, without another attempt.
    await expect(send(0)).rejects.toMatchObject({ code: 'no-broker' });
    expect(lost).toEqual([]);
  });

  it('are not sent after the stop', async () => {
    const { peers } = newPeers();
    peers.setAddress(0, '127.0.0.1', 1);
    peers.close();
    const sent = peers.send(0, 'quorum', calls.apiVersions, SOFTWARE, 1_000);
    await expect(sent).rejects.toMatchObject({ code: 'disconnected' });
  });

  it('find a broker at its new address', async () => {
    const [one, other] = [await broker(), await broker()];
    const { peers, lost } = newPeers();
    for (const { port } of [one, other]) {
      peers.setAddress(0, '127.0.0.1', port);
      await peers.send(0, 'quorum', calls.apiVersions, SOFTWARE, 1_000);
    }
    expect(other.broker.connectionStats.open).toBe(1);
    await expect.poll(() => one.broker.connectionStats.open).toBe(0);
    // That was our own doing.
    expect(lost).toEqual([]);
  });
});

describe('a broker that has begun a new life', () => {
  it('is waited for no more in what was asked of the one before', async () => {
    const gone = new FakeBroker(nodeTransport, { host: '127.0.0.1' });
    await gone.start();
    closers.push(() => gone.stop());
    gone.intercept = ({ api }) => (api === 'ListGroups' ? 'silence' : undefined);
    const { peers, lost } = newPeers();
    peers.setAddress(0, '127.0.0.1', Number(gone.address.split(':')[1]));
    const body = { statesFilter: [], typesFilter: [] };
    const outcomes: string[] = [];
    const ask = (channel: Channel) =>
      peers
        .send(0, channel, calls.listGroups, body, 30_000)
        .catch((error: { code: string }) => outcomes.push(`${channel} ${error.code}`));
    peers.registered(0, 5);
    void ask('fetch');
    void ask('quorum');
    const asked = () => gone.requests.filter(({ api }) => api === 'ListGroups').length;
    await expect.poll(asked).toBe(2);
    // Of the same life, and of another broker.
    expect(peers.registered(0, 5)).toBe(false);
    expect(peers.registered(2, 9)).toBe(false);
    expect(outcomes).toEqual([]);
    expect(peers.registered(0, 8)).toBe(true);
    await expect.poll(() => outcomes).toEqual(['fetch disconnected']);
    // That was our own doing; and the quorum has times of its own.
    expect(lost).toEqual([]);
  });
});

describe('a connection that is lost', () => {
  it('is told of', async () => {
    const running = await startBroker();
    const { peers, lost } = newPeers();
    peers.setAddress(0, '127.0.0.1', running.port);
    await peers.send(0, 'metadata', calls.apiVersions, SOFTWARE, 1_000);
    await running.stop();
    await expect.poll(() => lost).toEqual([[0, 'metadata']]);
  });

  it('was lost, too, when an answer does not come in time', async () => {
    const streams: Stream[] = [];
    const listening: Listening = await nodeTransport.listen('127.0.0.1', 0, (stream) => {
      streams.push(stream);
    });
    closers.push(() => listening.close());
    closers.push(() => {
      for (const stream of streams) stream.destroy();
    });
    const { peers } = newPeers();
    peers.setAddress(0, '127.0.0.1', listening.port);
    const sent = peers.send(0, 'quorum', calls.apiVersions, SOFTWARE, 50);
    await expect(sent).rejects.toMatchObject({ code: 'request-timeout' });
  });
});
