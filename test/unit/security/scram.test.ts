import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { systemRandom } from '../../../src/base/random.ts';
import { SaslFailure } from '../../../src/security/sasl/sasl-server.ts';
import {
  clientProof,
  credentialOf,
  isPassword,
  parseClientFinal,
  parseClientFirst,
  parseServerFirst,
  saltedPassword,
  saslName,
  scramMechanism,
  serverSignature,
} from '../../../src/security/sasl/scram.ts';
import { ScramServer } from '../../../src/security/sasl/scram-server.ts';

const sha256 = scramMechanism('SCRAM-SHA-256')!;

/** RFC 7677, section 3. */
const rfc = {
  password: 'pencil',
  clientFirstBare: 'n=user,r=rOprNGfwEbeRWgbNEkqO',
  serverFirst:
    'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  withoutProof: 'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
  proof: 'dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  signature: '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
};

describe('SCRAM', () => {
  it("makes the proof and the signature of the RFC's example", async () => {
    const { salt, iterations } = parseServerFirst(Buffer.from(rfc.serverFirst));
    const salted = await saltedPassword(sha256, rfc.password, salt, iterations);
    const message = `${rfc.clientFirstBare},${rfc.serverFirst},${rfc.withoutProof}`;
    const client = clientProof(sha256, salted, message);
    expect(client.proof.toString('base64')).toBe(rfc.proof);
    expect(client.serverSignature.toString('base64')).toBe(rfc.signature);
    const credential = credentialOf(sha256, salted, salt, iterations);
    expect(serverSignature(sha256, credential, message, client.proof)?.toString('base64')).toBe(
      rfc.signature,
    );
    client.proof[0]! ^= 1;
    expect(serverSignature(sha256, credential, message, client.proof)).toBeNull();
    expect(serverSignature(sha256, credential, message, client.proof.subarray(1))).toBeNull();
    expect(await isPassword(sha256, credential, rfc.password)).toBe(true);
    expect(await isPassword(sha256, credential, 'Pencil')).toBe(false);
  });

  it("reads the messages of the RFC's example", () => {
    expect(parseClientFirst(Buffer.from(`n,,${rfc.clientFirstBare}`))).toEqual({
      header: 'n,,',
      bare: rfc.clientFirstBare,
      authorizationId: '',
      name: 'user',
      nonce: 'rOprNGfwEbeRWgbNEkqO',
    });
    const final = parseClientFinal(Buffer.from(`${rfc.withoutProof},p=${rfc.proof}`));
    expect(final.channelBinding.toString()).toBe('n,,');
    expect(final.proof.toString('base64')).toBe(rfc.proof);
  });

  it('takes names with commas and equals signs', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }).filter((s) => !s.includes('\0')),
        (name) => {
          const text = `n,,n=${saslName(name)},r=abc`;
          expect(parseClientFirst(Buffer.from(text)).name).toBe(name);
        },
      ),
    );
  });

  it.each([
    'p=tls-unique,,n=user,r=abc',
    'n,,m=ext,n=user,r=abc',
    'n,,n=,r=abc',
    'n,,n=us=er,r=abc',
    'n,,n=user,r=',
    'n,,n=user',
    'n,,n=user,r=a b',
    'n,,n=user\0,r=abc',
    '',
  ])('refuses %j for a first message', (text) => {
    expect(() => parseClientFirst(Buffer.from(text))).toThrow(SaslFailure);
  });

  it.each(['c=biws,r=abc', 'r=abc,p=AAAA', 'c=biws,r=abc,p=A', 'c=biws,r=abc,p=AB==', ''])(
    'refuses %j for a last message',
    (text) => {
      expect(() => parseClientFinal(Buffer.from(text))).toThrow(SaslFailure);
    },
  );

  it('refuses whatever else it is sent, and quickly', () => {
    const users = { find: () => undefined, typicalIterations: 4096, isEmpty: true };
    const made = () =>
      new ScramServer({
        mechanism: sha256,
        users,
        decoyKey: Buffer.alloc(32),
        random: systemRandom,
      });
    const parts = fc.constantFrom(
      'n',
      'y',
      ',',
      '=',
      'r=',
      'c=biws',
      'p=',
      'a=',
      '\0',
      'é',
      'i=4096',
    );
    const text = fc.array(fc.oneof(parts, fc.string())).map((all) => Buffer.from(all.join('')));
    const bytes = fc.uint8Array({ maxLength: 200 }).map((all) => Buffer.from(all));
    fc.assert(
      fc.property(fc.array(fc.oneof(text, bytes), { maxLength: 3 }), (tokens) => {
        const server = made();
        try {
          for (const token of tokens) server.evaluate(token);
        } catch (error) {
          expect(error).toBeInstanceOf(SaslFailure);
        }
        expect(server.authenticated).toBeNull();
      }),
    );
    const long = Buffer.from(`n,,n=${'a'.repeat(60_000)}${',a=b'.repeat(1000)},`);
    const began = performance.now();
    expect(() => made().evaluate(long)).toThrow(SaslFailure);
    expect(performance.now() - began).toBeLessThan(200);
  });
});
