/**
 * SCRAM (RFC 5802, RFC 7677): the formulas and the texts of its messages, for both sides.
 *
 * Passwords are taken as they are (UTF-8, no SASLprep), as Kafka's own tools and clients do.
 */
import { createHash, createHmac, pbkdf2 as deriveKey, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { Random } from '../../base/random.ts';
import { SaslFailure } from './sasl-server.ts';

const pbkdf2 = promisify(deriveKey);

export interface ScramMechanism {
  readonly name: 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
  /** Kafka's number of it, in requests and in the metadata log. */
  readonly type: number;
  readonly hash: 'sha256' | 'sha512';
  readonly bytes: number;
}

export const scramMechanisms: readonly ScramMechanism[] = [
  { name: 'SCRAM-SHA-256', type: 1, hash: 'sha256', bytes: 32 },
  { name: 'SCRAM-SHA-512', type: 2, hash: 'sha512', bytes: 64 },
];

export const scramMechanism = (name: string): ScramMechanism | undefined =>
  scramMechanisms.find((mechanism) => mechanism.name === name);

/** Bounds of iterations that Kafka's controller takes; fewer are refused at authentication, too. */
export const ITERATIONS_MIN = 4096;
export const ITERATIONS_MAX = 16_384;

/** What a server keeps of a password. */
export interface ScramCredential {
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
  readonly iterations: number;
}

const hmac = ({ hash }: ScramMechanism, key: Buffer, text: string): Buffer =>
  createHmac(hash, key).update(text).digest();
const digest = ({ hash }: ScramMechanism, bytes: Buffer): Buffer =>
  createHash(hash).update(bytes).digest();

function xor(a: Buffer, b: Buffer): Buffer {
  const result = Buffer.alloc(a.length);
  for (let i = 0; i < a.length; i++) result[i] = a[i]! ^ b[i]!;
  return result;
}

/** `Hi(password, salt, i)`: slow on purpose, and so not on the event loop. */
export const saltedPassword = (
  mechanism: ScramMechanism,
  password: string,
  salt: Buffer,
  iterations: number,
): Promise<Buffer> =>
  pbkdf2(Buffer.from(password, 'utf8'), salt, iterations, mechanism.bytes, mechanism.hash);

/** What a server is to keep of a salted password. */
export function credentialOf(
  mechanism: ScramMechanism,
  salted: Buffer,
  salt: Buffer,
  iterations: number,
): ScramCredential {
  const clientKey = hmac(mechanism, salted, 'Client Key');
  return {
    salt,
    iterations,
    storedKey: digest(mechanism, clientKey),
    serverKey: hmac(mechanism, salted, 'Server Key'),
  };
}

/** Of the same length; takes the same time wherever they differ. */
export const areEqual = (a: Buffer, b: Buffer): boolean =>
  a.length === b.length && timingSafeEqual(a, b);

/** Whether the password makes the credential. */
export async function isPassword(
  mechanism: ScramMechanism,
  credential: ScramCredential,
  password: string,
): Promise<boolean> {
  const { salt, iterations, storedKey } = credential;
  const salted = await saltedPassword(mechanism, password, salt, iterations);
  return areEqual(credentialOf(mechanism, salted, salt, iterations).storedKey, storedKey);
}

/** The client's proof that it has the salted password, and the server's signature that answers it. */
export function clientProof(
  mechanism: ScramMechanism,
  salted: Buffer,
  authMessage: string,
): { readonly proof: Buffer; readonly serverSignature: Buffer } {
  const clientKey = hmac(mechanism, salted, 'Client Key');
  const storedKey = digest(mechanism, clientKey);
  const serverKey = hmac(mechanism, salted, 'Server Key');
  return {
    proof: xor(clientKey, hmac(mechanism, storedKey, authMessage)),
    serverSignature: hmac(mechanism, serverKey, authMessage),
  };
}

/** Null: the proof is none. */
export function serverSignature(
  mechanism: ScramMechanism,
  { storedKey, serverKey }: ScramCredential,
  authMessage: string,
  proof: Buffer,
): Buffer | null {
  // Of another length it is none, and is compared all the same.
  const given = proof.length === mechanism.bytes ? proof : Buffer.alloc(mechanism.bytes);
  const clientKey = xor(given, hmac(mechanism, storedKey, authMessage));
  const isProof = areEqual(digest(mechanism, clientKey), storedKey);
  return isProof && proof.length === mechanism.bytes
    ? hmac(mechanism, serverKey, authMessage)
    : null;
}

const NONCE_BYTES = 24;

/** Printable, without commas. */
export function newNonce(random: Random): string {
  const bytes = Buffer.alloc(NONCE_BYTES);
  random.fill(bytes);
  return bytes.toString('base64url');
}

/** As many characters of letters and digits as Kafka's own tools take for a salt. */
export const SALT_CHARACTERS = 26;

/** Salts are texts, as those of Kafka's tools: one that was made up can't be told from one that was stored. */
export function saltText(bytes: Uint8Array): Buffer {
  const letters = Array.from(bytes.subarray(0, SALT_CHARACTERS), (byte) =>
    (byte % 36).toString(36),
  );
  return Buffer.from(letters.join(''), 'latin1');
}

export function newSalt(random: Random): Buffer {
  const bytes = Buffer.alloc(SALT_CHARACTERS);
  random.fill(bytes);
  return saltText(bytes);
}

/** A name as it stands in a message, where commas and equals signs have a meaning. */
export const saslName = (name: string): string =>
  name.replaceAll('=', '=3D').replaceAll(',', '=2C');

function nameOf(text: string): string {
  if (/=(?!2C|3D)/.test(text)) throw new SaslFailure('a name with a stray `=`');
  return text.replaceAll('=2C', ',').replaceAll('=3D', '=');
}

/** The bytes as text; refuses what is no UTF-8. */
function textOf(token: Buffer): string {
  const text = token.toString('utf8');
  if (text.includes('\ufffd') || text.includes('\0'))
    throw new SaslFailure('a token that is no text');
  return text;
}

const base64Of = (text: string, what: string): Buffer => {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw new SaslFailure(`${what} that is no base64`);
  return bytes;
};

export interface ClientFirst {
  /** `n,a=…,`: comes back in the last message. */
  readonly header: string;
  readonly bare: string;
  readonly authorizationId: string;
  readonly name: string;
  readonly nonce: string;
}

/** `n,[a=NAME],n=NAME,r=NONCE[,…]`; channel binding and mandatory extensions are not taken. */
export function parseClientFirst(token: Buffer): ClientFirst {
  const match =
    /^([ny],(?:a=([^,]+))?,)(n=([^,]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,[A-Za-z]+=[^,]+)*)$/.exec(
      textOf(token),
    );
  if (match === null) throw new SaslFailure('no client-first message');
  const [, header = '', authorizationId = '', bare = '', name = '', nonce = ''] = match;
  return { header, bare, authorizationId: nameOf(authorizationId), name: nameOf(name), nonce };
}

export interface ServerFirst {
  readonly nonce: string;
  readonly salt: Buffer;
  readonly iterations: number;
}

export const serverFirstText = ({ nonce, salt, iterations }: ServerFirst): string =>
  `r=${nonce},s=${salt.toString('base64')},i=${iterations}`;

export function parseServerFirst(token: Buffer): ServerFirst {
  const match =
    /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/]+=*),i=(\d{1,9})(?:,[A-Za-z]+=[^,]+)*$/.exec(
      textOf(token),
    );
  if (match === null) throw new SaslFailure('no server-first message');
  const [, nonce = '', salt = '', iterations] = match;
  return { nonce, salt: base64Of(salt, 'a salt'), iterations: Number(iterations) };
}

export interface ClientFinal {
  readonly channelBinding: Buffer;
  readonly nonce: string;
  readonly withoutProof: string;
  readonly proof: Buffer;
}

export function parseClientFinal(token: Buffer): ClientFinal {
  const match =
    /^(c=([A-Za-z0-9+/]+=*),r=([\x21-\x2b\x2d-\x7e]+)(?:,[A-Za-z]+=[^,]+)*),p=([A-Za-z0-9+/]+=*)$/.exec(
      textOf(token),
    );
  if (match === null) throw new SaslFailure('no client-final message');
  const [, withoutProof = '', binding = '', nonce = '', proof = ''] = match;
  return {
    channelBinding: base64Of(binding, 'a channel binding'),
    nonce,
    withoutProof,
    proof: base64Of(proof, 'a proof'),
  };
}
