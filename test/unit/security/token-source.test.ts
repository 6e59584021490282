import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TokenSource } from '../../../src/security/token-source.ts';
import { ManualClock } from '../../support/manual-clock.ts';

let server: Server;
let answers: { status: number; body: string }[];
let asked: number;
let clock: ManualClock;

beforeEach(async () => {
  answers = [];
  asked = 0;
  clock = new ManualClock();
  server = createServer((_, answer) => {
    const { status, body } = answers[Math.min(asked, answers.length - 1)]!;
    asked += 1;
    answer.writeHead(status).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  server.close();
});

const source = (): TokenSource =>
  new TokenSource(
    {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
      clientId: 'service',
      clientSecret: 'secret',
      scope: null,
    },
    clock,
  );

const given = (text: string, more: object = {}): { status: number; body: string } => ({
  status: 200,
  body: JSON.stringify({ access_token: text, token_type: 'Bearer', ...more }),
});

/** A JWT as far as its end goes. */
const jwt = (endsAtMs: number): string =>
  `e30.${Buffer.from(JSON.stringify({ exp: endsAtMs / 1_000 })).toString('base64url')}.c2ln`;

describe('a source of bearer tokens', () => {
  it('gives a token until four fifths of its time are over', async () => {
    const now = clock.now();
    const [first, second] = [jwt(now + 100_000), jwt(now + 300_000)];
    answers = [given(first), given(second)];
    const tokens = source();
    expect(await Promise.all([tokens.token(), tokens.token()])).toEqual([first, first]);
    clock.advance(79_000);
    expect(await tokens.token()).toBe(first);
    clock.advance(2_000);
    expect(await tokens.token()).toBe(second);
    expect(asked).toBe(2);
  });

  it('believes the endpoint where the token does not tell its end', async () => {
    answers = [given('opaque-1', { expires_in: 10 }), given('opaque-2')];
    const tokens = source();
    expect(await tokens.token()).toBe('opaque-1');
    clock.advance(7_000);
    expect(await tokens.token()).toBe('opaque-1');
    clock.advance(2_000);
    // Nobody knows how long this one is good.
    expect(await tokens.token()).toBe('opaque-2');
    expect(await tokens.token()).toBe('opaque-2');
    expect(asked).toBe(3);
  });

  it.each([
    [{ status: 401, body: '{"error":"invalid_client"}' }, /\/token: status 401/],
    [{ status: 200, body: '<html>' }, /\/token: expected JSON with access_token/],
    [{ status: 200, body: 'null' }, /\/token: expected JSON with access_token/],
    [given('no token\n'), /expected a bearer token at .*, saw something else/],
    [{ status: 200, body: 'x'.repeat(70_000) }, /\/token: more than 65536 bytes/],
  ])('says where none was to be had: %j', async (answer, reason) => {
    answers = [answer];
    await expect(source().token()).rejects.toMatchObject({
      code: 'not-authenticated',
      message: expect.stringMatching(reason),
    });
  });

  it('asks again after it got none', async () => {
    answers = [{ status: 503, body: '' }, given('good')];
    const tokens = source();
    await expect(tokens.token()).rejects.toThrow(/status 503/);
    expect(await tokens.token()).toBe('good');
  });
});
