/**
 * Keys and certificates out of Kafka's kinds of stores: PEM (texts or a file) and PKCS#12, which
 * are Java's keystores since Java 9. Java's older JKS is refused with the way to convert it.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { FatalError, reasonOf } from '../base/errors.ts';
import type { Store, TlsSettings } from './tls-settings.ts';

export interface TlsMaterial {
  readonly context: SecureContext;
  /** Of the own certificate; null: there is none. */
  readonly certificate: OwnCertificate | null;
}

export interface OwnCertificate {
  readonly subject: string;
  readonly expiresAtMs: number;
  readonly der: Buffer;
}

/** Null: there is no such file. */
export type ReadFile = (path: string) => Buffer | null;

/** Sessions are resumed only with the same settings; a client's certificate is part of one. */
const SESSION_CONTEXT = 'weir';

const FILE_BYTES_MAX = 4 * 1024 * 1024;
const JKS_MAGIC = 0xfeedfeed;
const PEM_MARK = '-----BEGIN ';

/** Rejects with FatalError, which names the setting and never shows a secret. */
export async function loadTls(settings: TlsSettings, read: ReadFile): Promise<TlsMaterial> {
  const own = ownOf(settings.keystore, read);
  const trusted = await trustedOf(settings.truststore, read);
  const options: SecureContextOptions = {
    ...own,
    ...(trusted === null ? {} : { ca: trusted }),
    ...versionsOf(settings.protocols),
    ...(settings.cipherSuites.length > 0 ? { ciphers: settings.cipherSuites.join(':') } : {}),
    sessionIdContext: SESSION_CONTEXT,
  };
  let context: SecureContext;
  try {
    context = createSecureContext(options);
  } catch (error) {
    throw new FatalError(`the keystore can't be used: ${reasonOf(error)}`);
  }
  return { context, certificate: certificateOf(own, context) };
}

function versionsOf(protocols: readonly string[]): SecureContextOptions {
  for (const protocol of protocols) {
    if (protocol !== 'TLSv1.2' && protocol !== 'TLSv1.3') {
      throw new FatalError(`ssl.enabled.protocols: expected TLSv1.2 or TLSv1.3, saw '${protocol}'`);
    }
  }
  const all = protocols.length === 0;
  return {
    minVersion: all || protocols.includes('TLSv1.2') ? 'TLSv1.2' : 'TLSv1.3',
    maxVersion: all || protocols.includes('TLSv1.3') ? 'TLSv1.3' : 'TLSv1.2',
  };
}

function bytesOf({ location }: Store, key: string, read: ReadFile): Buffer {
  let bytes: Buffer | null;
  try {
    bytes = read(location!);
  } catch (error) {
    throw new FatalError(`${key}: ${reasonOf(error)}`);
  }
  if (bytes === null) throw new FatalError(`${key}: there is no file ${location}`);
  if (bytes.length > FILE_BYTES_MAX) {
    throw new FatalError(
      `${key}: ${location} has ${bytes.length} bytes, at most ${FILE_BYTES_MAX} are read`,
    );
  }
  return bytes;
}

/** Which kind of store the file is. Throws when it is another than its type says. */
function kindOf(store: Store, bytes: Buffer, key: string): 'PEM' | 'PKCS12' {
  if (bytes.length >= 4 && bytes.readUInt32BE(0) === JKS_MAGIC) {
    throw new FatalError(
      `${key}: ${store.location} is in Java's old format JKS; convert it with \`keytool -importkeystore -srckeystore FILE -destkeystore FILE.p12 -deststoretype PKCS12\``,
    );
  }
  const isPem = bytes.includes(PEM_MARK);
  const type = store.type?.toUpperCase() ?? null;
  if (isPem && type !== null && type !== 'PEM') {
    throw new FatalError(`${key}: ${store.location} is PEM, but its type is ${type}`);
  }
  if (!isPem && type === 'PEM') {
    throw new FatalError(`${key}: expected PEM in ${store.location}, saw no '${PEM_MARK}'`);
  }
  return isPem ? 'PEM' : 'PKCS12';
}

interface Own {
  readonly key?: string;
  readonly cert?: string;
  readonly pfx?: Buffer;
  readonly passphrase?: string;
}

function ownOf(keystore: TlsSettings['keystore'], read: ReadFile): Own {
  const { key, certificateChain, location, password, keyPassword } = keystore;
  if (key !== null || certificateChain !== null) {
    if (key === null)
      throw new FatalError('ssl.keystore.key: missing beside the certificate chain');
    if (certificateChain === null) {
      throw new FatalError('ssl.keystore.certificate.chain: missing beside the key');
    }
    if (location !== null) {
      throw new FatalError(
        'ssl.keystore.location: stands beside ssl.keystore.key; give one of them',
      );
    }
    return pemOwn(key, certificateChain, keyPassword, 'ssl.keystore.key');
  }
  if (location === null) return {};
  const bytes = bytesOf(keystore, 'ssl.keystore.location', read);
  if (kindOf(keystore, bytes, 'ssl.keystore.location') === 'PEM') {
    const text = bytes.toString('utf8');
    return pemOwn(text, text, keyPassword ?? password, 'ssl.keystore.location');
  }
  return { pfx: bytes, passphrase: password ?? '' };
}

/** Java wants PKCS#8; whatever OpenSSL reads as a private key is taken. */
function pemOwn(keyText: string, chain: string, password: string | null, key: string): Own {
  const [pem] = pemBlocks(keyText, '[A-Z0-9 ]*PRIVATE KEY');
  if (pem === undefined) throw new FatalError(`${key}: no private key in PEM`);
  const certificates = pemCertificates(chain, key);
  try {
    const passphrase = password === null ? {} : { passphrase: password };
    const decrypted = createPrivateKey({ key: pem, ...passphrase });
    return {
      key: decrypted.export({ type: 'pkcs8', format: 'pem' }) as string,
      cert: certificates.join('\n'),
    };
  } catch (error) {
    throw new FatalError(`${key}: the private key can't be read: ${reasonOf(error)}`);
  }
}

const BASE64_LINE = 64;

/** Blocks of PEM, which properties files have on one line, with spaces or `\n` between its lines. */
function pemBlocks(text: string, label: string): string[] {
  const block = new RegExp(`-----BEGIN (${label})-----([\\s\\S]+?)-----END \\1-----`, 'g');
  return Array.from(text.replaceAll('\\n', '\n').matchAll(block), ([whole, name, body = '']) => {
    // Headers of old encrypted keys keep their lines.
    if (body.includes(':')) return whole;
    const lines = body.replaceAll(/\s/g, '').match(new RegExp(`.{1,${BASE64_LINE}}`, 'g')) ?? [];
    return `-----BEGIN ${name}-----\n${lines.join('\n')}\n-----END ${name}-----\n`;
  });
}

function pemCertificates(text: string, key: string): string[] {
  const found = pemBlocks(text, 'CERTIFICATE');
  if (found.length === 0) throw new FatalError(`${key}: no certificate in PEM`);
  return found.map((pem) => {
    try {
      return new X509Certificate(pem).toString();
    } catch (error) {
      throw new FatalError(`${key}: a certificate can't be read: ${reasonOf(error)}`);
    }
  });
}

/** Null: the system's. */
async function trustedOf(
  truststore: TlsSettings['truststore'],
  read: ReadFile,
): Promise<string[] | null> {
  const { certificates, location, password } = truststore;
  if (certificates !== null) {
    if (location !== null) {
      throw new FatalError(
        'ssl.truststore.location: stands beside ssl.truststore.certificates; give one of them',
      );
    }
    return pemCertificates(certificates, 'ssl.truststore.certificates');
  }
  if (location === null) return null;
  const bytes = bytesOf(truststore, 'ssl.truststore.location', read);
  if (kindOf(truststore, bytes, 'ssl.truststore.location') === 'PEM') {
    return pemCertificates(bytes.toString('utf8'), 'ssl.truststore.location');
  }
  // Node reads PKCS#12 only where there is a key in it. Loaded here: few need it.
  const { pkcs12Certificates } = await import('./pkcs12.ts');
  return pkcs12Certificates(bytes, password ?? '', 'ssl.truststore.location');
}

/** A part of Node's context that it does not document: its own certificate in DER. */
interface ContextInside {
  readonly context: { getCertificate?(): Buffer | null };
}

function certificateOf(own: Own, context: SecureContext): TlsMaterial['certificate'] {
  const source = own.cert ?? (context as unknown as ContextInside).context.getCertificate?.();
  if (source === undefined || source === null) return null;
  const { subject, validToDate, raw } = new X509Certificate(source);
  const expiresAtMs = validToDate.getTime();
  return { subject: subject.replaceAll('\n', ','), expiresAtMs, der: raw };
}
