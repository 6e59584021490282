import { expect, test } from 'vitest';
import { calls } from '../../../src/client/call.ts';
import { Connection } from '../../../src/client/connection.ts';
import { FakeBroker, MemoryTransport } from './fake-broker.ts';
import { ManualClock, settle } from './manual-clock.ts';

const ask = (connection: Connection) =>
  connection.request(calls.heartbeat, {
    groupId: 'g',
    generationId: 1,
    memberId: 'm',
    groupInstanceId: null,
  });

test('sends nothing in the middle of renewing its session, however much is asked', async () => {
  const clock = new ManualClock();
  const transport = new MemoryTransport();
  const broker = new FakeBroker(transport, {});
  const seen: string[] = [];
  const note = (name: string, answer: object): void => {
    broker.handlers.set(name, () => {
      seen.push(name);
      return { throttleTimeMs: 0, errorCode: 0, ...answer };
    });
  };
  note('SaslHandshake', { mechanisms: ['PLAIN'] });
  note('SaslAuthenticate', {
    errorMessage: null,
    authBytes: Buffer.alloc(0),
    sessionLifetimeMs: 10_000,
  });
  note('Heartbeat', {});
  await broker.start();
  const [host = '', port = ''] = broker.address.split(':');
  let go = (): void => {};
  let isRenewal = false;
  const connection = await clock.until(
    Connection.open({
      transport,
      clock,
      clientId: 'test',
      host,
      port: Number(port),
      connectTimeoutMs: 1000,
      requestTimeoutMs: 60_000,
      inFlightMax: 3,
      frameBytesMax: 1_000_000,
      security: {
        tls: () => null,
        sasl: () => ({
          mechanism: 'PLAIN',
          first: async () => {
            if (isRenewal) await new Promise<void>((resolve) => (go = resolve));
            return Buffer.from('token');
          },
          next: () => Promise.resolve(null),
        }),
      },
    }),
  );
  isRenewal = true;
  await clock.advance(9_000);
  expect(seen).toEqual(['SaslHandshake', 'SaslAuthenticate', 'SaslHandshake']);
  const asked = Array.from({ length: 5 }, () => ask(connection).then(String, String));
  await settle();
  go();
  const answers = await clock.until(Promise.all(asked));
  expect(seen.slice(3)).toEqual(['SaslAuthenticate', 'Heartbeat', 'Heartbeat', 'Heartbeat']);
  expect(answers.filter((answer) => answer.includes('requests wait'))).toHaveLength(2);
  connection.close();
});
