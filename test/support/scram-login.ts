/** A SCRAM client written from RFC 5802, apart from the one that the product has. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';

const hashes = { 'SCRAM-SHA-256': 'sha256', 'SCRAM-SHA-512': 'sha512' } as const;
export type Mechanism = keyof typeof hashes;

export interface Login {
  readonly first: Buffer;
  /** The last message, for the server's first one; `signature` is what the server must answer. */
  final(serverFirst: Buffer): { readonly token: Buffer; readonly signature: string };
}

export function scramLogin(
  mechanism: Mechanism,
  name: string,
  password: string,
  nonce = 'fyko+d2lbbFgONRv9qkxdawL',
): Login {
  const hash = hashes[mechanism];
  const bytes = hash === 'sha256' ? 32 : 64;
  const hmac = (key: Buffer, text: string): Buffer => createHmac(hash, key).update(text).digest();
  const bare = `n=${name},r=${nonce}`;
  return {
    first: Buffer.from(`n,,${bare}`),
    final: (serverFirst) => {
      const parts = new Map(
        serverFirst
          .toString()
          .split(',')
          .map((part) => [part.slice(0, 1), part.slice(2)]),
      );
      const salt = Buffer.from(parts.get('s')!, 'base64');
      const salted = pbkdf2Sync(password, salt, Number(parts.get('i')), bytes, hash);
      const clientKey = hmac(salted, 'Client Key');
      const withoutProof = `c=biws,r=${parts.get('r')!}`;
      const message = `${bare},${serverFirst.toString()},${withoutProof}`;
      const storedKey = createHash(hash).update(clientKey).digest();
      const mask = hmac(storedKey, message);
      const proof = Buffer.from(clientKey.map((byte, i) => byte ^ mask[i]!));
      const signature = hmac(hmac(salted, 'Server Key'), message).toString('base64');
      return {
        token: Buffer.from(`${withoutProof},p=${proof.toString('base64')}`),
        signature: `v=${signature}`,
      };
    },
  };
}
