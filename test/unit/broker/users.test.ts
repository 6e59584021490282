import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import type { RequestContext } from '../../../src/broker/handler.ts';
import { alterUserScramCredentialsHandler } from '../../../src/broker/handlers/51-alter-user-scram-credentials.ts';
import { ErrorCode, ProtocolError } from '../../../src/protocol/error-codes.ts';
import { type Loose, type RunningBroker, startBroker, WireClient } from './fixture.ts';

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

const password = (name: string, changes: Loose = {}): Loose => ({
  name,
  mechanism: 1,
  iterations: 4096,
  salt: Buffer.from('salt'),
  saltedPassword: Buffer.alloc(32, 7),
  ...changes,
});
const alter = async (body: Loose) =>
  (await client.request('AlterUserScramCredentials', 0, body)).results as Loose[];
const all = async () => client.request('DescribeUserScramCredentials', 0, { users: null });

describe('users of the cluster', () => {
  it('are told with their mechanisms, and with empty texts where there is no error', async () => {
    expect(await all()).toEqual({ throttleTimeMs: 0, errorCode: 0, errorMessage: '', results: [] });
    await alter({ upsertions: [password('bob')] });
    await alter({ upsertions: [password('bob', { mechanism: 2, iterations: 8192 })] });
    const info = (mechanism: number, iterations: number) => ({ mechanism, iterations });
    const credentialInfos = [info(1, 4096), info(2, 8192)];
    const bob = { user: 'bob', errorCode: 0, errorMessage: '', credentialInfos };
    expect((await all()).results).toEqual([bob]);
    await alter({ deletions: [{ name: 'bob', mechanism: 1 }] });
    expect((await all()).results).toEqual([{ ...bob, credentialInfos: [info(2, 8192)] }]);
    await alter({ deletions: [{ name: 'bob', mechanism: 2 }] });
    expect((await all()).results).toEqual([]);
  });

  it.each([
    ['no name', password(''), 'Username must not be empty'],
    ['no password', password('x', { saltedPassword: Buffer.alloc(0) }), 'must not be empty'],
    ['too few iterations', password('x', { iterations: 4095 }), 'Too few iterations'],
    ['too many iterations', password('x', { iterations: 16_385 }), 'Too many iterations'],
  ])('are not made with %s', async (_, upsertion, message) => {
    const [result] = await alter({ upsertions: [upsertion] });
    expect(result).toMatchObject({
      errorCode: ErrorCode.UNACCEPTABLE_CREDENTIAL,
      errorMessage: expect.stringContaining(message),
    });
    expect((await all()).results).toEqual([]);
  });

  it('cost nothing to refuse: passwords of who may not set them are not looked at', async () => {
    const refusal = ErrorCode.CLUSTER_AUTHORIZATION_FAILED;
    const context = {
      broker: { controller: {}, logger: silentLogger },
      demand: () => {
        throw new ProtocolError(refusal);
      },
    } as unknown as RequestContext;
    let looks = 0;
    const upsertion = {
      ...password('bob'),
      get saltedPassword() {
        looks += 1;
        return Buffer.alloc(32);
      },
    };
    const request = { deletions: [], upsertions: [upsertion, upsertion] };
    const answer = await alterUserScramCredentialsHandler.controller!(request, context);
    expect(answer).toMatchObject({ results: [{ user: 'bob', errorCode: refusal }] });
    expect(looks).toBe(0);
  });
});
