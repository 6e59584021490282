import { onTestFinished } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { Client, type ClientOptions } from '../../../src/client/client.ts';
import type { FakeBroker } from './fake-broker.ts';
import type { ManualClock } from './manual-clock.ts';
import type { MemoryTransport } from './memory-transport.ts';

interface FakeCluster {
  readonly broker: FakeBroker;
  readonly transport: MemoryTransport;
  readonly clock: ManualClock;
}

/** A client of a fake cluster, closed when the test is over. */
export function clientOf(
  { broker, transport, clock }: FakeCluster,
  more: Partial<ClientOptions> = {},
): Client {
  const client = new Client({
    bootstrap: broker.address,
    clientId: 'test',
    transport,
    clock,
    random: seededRandom(7),
    requestTimeoutMs: 5000,
    ...more,
  });
  onTestFinished(() => client.close());
  return client;
}
