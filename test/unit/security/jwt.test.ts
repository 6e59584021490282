import { createHmac } from 'node:crypto';
import { exportJWK, generateKeyPair, type JSONWebKeySet, SignJWT } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { OperatingError } from '../../../src/base/errors.ts';
import { JwksSource } from '../../../src/security/sasl/jwks-source.ts';
import { type JwtSettings, jwtValidator } from '../../../src/security/sasl/jwt.ts';
import { OauthBearerServer } from '../../../src/security/sasl/oauthbearer-server.ts';
import { SaslFailure } from '../../../src/security/sasl/sasl-server.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const settings: JwtSettings = {
  audience: ['weir'],
  issuer: 'https://issuer.example',
  algorithms: ['RS256', 'ES256'],
  clockSkewSeconds: 30,
  scopeClaim: 'scope',
  subClaim: 'sub',
};

let key: CryptoKey;
let keys: JSONWebKeySet;
beforeAll(async () => {
  const pair = await generateKeyPair('RS256', { extractable: true });
  key = pair.privateKey;
  keys = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'one' }] };
});

interface Claims {
  readonly [name: string]: unknown;
}
const seconds = (): number => Math.floor(Date.now() / 1000);
const good = (): Claims => ({
  sub: 'alice',
  iss: 'https://issuer.example',
  aud: 'weir',
  scope: ['a', 'b'],
  iat: seconds(),
  exp: seconds() + 60,
});
const signed = (claims: Claims, kid = 'one'): Promise<string> =>
  new SignJWT({ ...claims }).setProtectedHeader({ alg: 'RS256', kid }).sign(key);

const validate = (token: string, given: Partial<JwtSettings> = {}) =>
  jwtValidator(
    { ...settings, ...given },
    { current: () => Promise.resolve(keys), refreshed: () => Promise.resolve(null) },
    systemClock,
  )(token);

describe('a bearer token', () => {
  it('names the user, and ends when it says so', async () => {
    const claims = good();
    expect(await validate(await signed(claims))).toEqual({
      name: 'alice',
      expiresAtMs: Number(claims['exp']) * 1000,
    });
    const other = await signed({ ...good(), sub: 'x', user: ' bob ' });
    expect(await validate(other, { subClaim: 'user' })).toMatchObject({ name: 'bob' });
  });

  it('may be late by as much as the clocks may differ', async () => {
    expect(await validate(await signed({ ...good(), exp: seconds() - 20 }))).toBeDefined();
    const late = await signed({ ...good(), exp: seconds() - 40 });
    await expect(validate(late)).rejects.toThrow(SaslFailure);
  });

  it.each([
    ['of another audience', { aud: 'other' }],
    ['of no audience', { aud: undefined }],
    ['of another issuer', { iss: 'https://other.example' }],
    ['without an end', { exp: undefined }],
    ['without a beginning', { iat: undefined }],
    ['without a user', { sub: undefined }],
    ['of an empty user', { sub: '  ' }],
    ['of a user that is no text', { sub: 5 }],
    ['with a scope twice', { scope: ['a', 'a'] }],
    ['with a scope that is no text', { scope: 7 }],
    ['not valid yet', { nbf: 99_999_999_999 }],
  ])('%s is refused', async (_, change) => {
    await expect(validate(await signed({ ...good(), ...change }))).rejects.toThrow(SaslFailure);
  });

  it('that is not signed, or by the public key as a shared secret, is refused', async () => {
    const part = (value: object): string =>
      Buffer.from(JSON.stringify(value)).toString('base64url');
    const unsigned = `${part({ alg: 'none' })}.${part(good())}.`;
    await expect(validate(unsigned)).rejects.toThrow(SaslFailure);
    const head = `${part({ alg: 'HS256', kid: 'one' })}.${part(good())}`;
    const forged = createHmac('sha256', JSON.stringify(keys.keys[0])).update(head);
    await expect(validate(`${head}.${forged.digest('base64url')}`)).rejects.toThrow(SaslFailure);
    const [header, , signature] = (await signed(good())).split('.');
    const changed = `${header}.${part({ ...good(), sub: 'root' })}.${signature}`;
    await expect(validate(changed)).rejects.toThrow(/signature verification failed/);
    for (const text of ['', '.', '..', 'a.b.c', `${'x'.repeat(60_000)}.y.z`]) {
      await expect(validate(text)).rejects.toThrow(SaslFailure);
    }
  });

  it('by a key that is not known makes the keys be read again', async () => {
    const token = await signed(good(), 'two');
    const newer = { keys: [{ ...keys.keys[0]!, kid: 'two' }] };
    const validator = jwtValidator(
      settings,
      { current: () => Promise.resolve(keys), refreshed: () => Promise.resolve(newer) },
      systemClock,
    );
    expect(await validator(token)).toMatchObject({ name: 'alice' });
    await expect(validate(token)).rejects.toThrow(/no applicable key/);
  });
});

it('keys are prepared once, not for every token', async () => {
  // Reading a set takes time: it may have a thousand keys.
  let reads = 0;
  const other = { ...keys.keys[0]!, kid: 'other' };
  Object.defineProperty(other, 'n', {
    enumerable: true,
    get: () => {
      reads += 1;
      return keys.keys[0]!.n;
    },
  });
  const set = { keys: [other, keys.keys[0]!] };
  const validator = jwtValidator(
    settings,
    { current: () => Promise.resolve(set), refreshed: () => Promise.resolve(null) },
    systemClock,
  );
  await validator(await signed(good()));
  const once = reads;
  expect(once).toBeGreaterThan(0);
  await validator(await signed(good()));
  expect(reads).toBe(once);
});

describe('OAUTHBEARER', () => {
  const server = () => new OauthBearerServer((token) => validate(token));
  it('lets a good token in, and says what is wrong with another one', async () => {
    const first = server();
    const token = await signed(good());
    expect(await first.evaluate(Buffer.from(`n,,\x01auth=Bearer ${token}\x01\x01`))).toHaveLength(
      0,
    );
    expect(first.authenticated).toMatchObject({ name: 'alice' });
    const second = server();
    const refused = await second.evaluate(Buffer.from('n,,\x01auth=Bearer abc\x01\x01'));
    expect(refused.toString()).toBe('{"status":"invalid_token"}');
    expect(second.authenticated).toBeNull();
    await expect(second.evaluate(Buffer.from([1]))).rejects.toMatchObject({
      told: '{"status":"invalid_token"}',
    });
  });
  it('looks at one token an exchange, whatever the client sends for an acknowledgement', async () => {
    let looks = 0;
    const one = new OauthBearerServer((token) => {
      looks += 1;
      return validate(token);
    });
    await one.evaluate(Buffer.from('n,,\x01auth=Bearer abc\x01\x01'));
    const another = Buffer.from(`n,,\x01auth=Bearer ${await signed(good())}\x01\x01`);
    await expect(one.evaluate(another)).rejects.toMatchObject({
      told: '{"status":"invalid_token"}',
    });
    expect(looks).toBe(1);
    expect(one.authenticated).toBeNull();
  });
  it.each([
    'n,,\x01auth=Basic abc\x01\x01',
    'n,,\x01\x01',
    'y,,\x01auth=Bearer abc\x01\x01',
    'n,a=b=c,\x01auth=Bearer abc\x01\x01',
    '\x01',
    '',
  ])('refuses %j', async (text) => {
    await expect(server().evaluate(Buffer.from(text))).rejects.toThrow(SaslFailure);
  });
  it('lets nobody act for somebody else', async () => {
    const token = await signed(good());
    const message = Buffer.from(`n,a=bob,\x01auth=Bearer ${token}\x01\x01`);
    await expect(server().evaluate(message)).rejects.toThrow(/different from the token/);
  });
});

describe('the keys of an endpoint', () => {
  const options = {
    url: 'http://x',
    refreshMs: 60_000,
    retryBackoffMs: 100,
    retryBackoffMaxMs: 400,
  };
  const set = (kid: string): Buffer => Buffer.from(JSON.stringify({ keys: [{ kid }] }));

  it('are read once, again when they are old, and seldom for keys that nobody has', async () => {
    const clock = new ManualClock();
    let reads = 0;
    const source = new JwksSource(options, () => Promise.resolve(set(String(++reads))), clock);
    await Promise.all([source.current(), source.current()]);
    expect(await source.refreshed()).toBeNull();
    expect(reads).toBe(1);
    clock.advance(10_000);
    expect(await source.refreshed()).toEqual({ keys: [{ kid: '2' }] });
    clock.advance(60_000);
    await source.current();
    await expect.poll(() => source.current()).toEqual({ keys: [{ kid: '3' }] });
    expect(reads).toBe(3);
  });

  it('stay what they were while it does not answer', async () => {
    const clock = new ManualClock();
    let answers = [set('1')];
    let reads = 0;
    const read = () => {
      reads += 1;
      const answer = answers.shift();
      return answer === undefined
        ? Promise.reject(new OperatingError('no-answer', 'away'))
        : Promise.resolve(answer);
    };
    const source = new JwksSource(options, read, clock);
    await source.current();
    clock.advance(60_000);
    for (let i = 0; i < 5; i++) expect(await source.current()).toEqual({ keys: [{ kid: '1' }] });
    expect(reads).toBe(2);
    answers = [set('2')];
    clock.advance(100);
    await source.current();
    await expect.poll(() => source.current()).toEqual({ keys: [{ kid: '2' }] });
  });

  it.each(['', 'x', '[]', '{}', '{"keys":5}', `{"keys":[${'{},'.repeat(1000)}{}]}`])(
    'are none in %s',
    async (text) => {
      const source = new JwksSource(
        options,
        () => Promise.resolve(Buffer.from(text)),
        new ManualClock(),
      );
      await expect(source.current()).rejects.toThrow(/expected a JWK set/);
    },
  );
});
