/** Certificates for tests: an authority, and what it signs. */
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import forge from 'node-forge';

const DAY_MS = 86_400_000;

export interface Certificate {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS#8. */
  readonly key: string;
}

export interface Wanted {
  /** Attributes of the subject, in the order of the certificate, such as `['CN', 'alice']`. */
  readonly subject: readonly (readonly [shortName: string, value: string])[];
  /** DNS names; 127.0.0.1 and localhost are there, too, unless it is of another machine. */
  readonly names?: readonly string[];
  readonly elsewhere?: boolean;
  readonly days?: number;
}

let serial = 1;

/** Keys take a while to make, and two are enough for everything but their own tests. */
const keys: string[] = [];
function keyPair(i: number): { key: string; forged: forge.pki.rsa.KeyPair } {
  const pem = (keys[i] ??= generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
    type: 'pkcs1',
    format: 'pem',
  }) as string);
  const privateKey = forge.pki.privateKeyFromPem(pem);
  const publicKey = forge.pki.setRsaPublicKey(privateKey.n, privateKey.e);
  const key = createPrivateKey(pem).export({ type: 'pkcs8', format: 'pem' }) as string;
  return { key, forged: { privateKey, publicKey } };
}

/** Signs what it is asked for. */
export class Authority {
  readonly certificate: string;
  readonly #key: forge.pki.rsa.PrivateKey;
  readonly #subject: forge.pki.CertificateField[];
  readonly #directory = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-certificates-'));

  constructor(name = 'Weir test authority') {
    const { forged } = keyPair(0);
    this.#key = forged.privateKey;
    this.#subject = [{ shortName: 'CN', value: name }];
    const made = draft(forged.publicKey, this.#subject, this.#subject, 365);
    made.setExtensions([{ name: 'basicConstraints', cA: true }]);
    made.sign(this.#key, forge.md.sha256.create());
    this.certificate = pemOf(made);
  }

  issue({ subject, names = [], days = 30, elsewhere = false }: Wanted): Certificate {
    const { key, forged } = keyPair(1);
    const fields = subject.map(([shortName, value]) => ({ shortName, value }));
    const made = draft(forged.publicKey, fields, this.#subject, days);
    made.setExtensions([
      { name: 'basicConstraints', cA: false },
      {
        name: 'subjectAltName',
        altNames: [
          ...names.map((value) => ({ type: 2, value })),
          ...(elsewhere
            ? []
            : [
                { type: 2, value: 'localhost' },
                { type: 7, ip: '127.0.0.1' },
              ]),
        ],
      },
    ]);
    made.sign(this.#key, forge.md.sha256.create());
    return { certificate: pemOf(made), key };
  }

  /** A file in a folder that goes with `remove`. */
  file(name: string, content: string | Uint8Array): string {
    const file = path.join(this.#directory, name);
    fs.writeFileSync(file, content, { mode: 0o600 });
    return file;
  }

  remove(): void {
    fs.rmSync(this.#directory, { recursive: true, force: true });
  }
}

const pemOf = (made: forge.pki.Certificate): string =>
  forge.pki.certificateToPem(made).replaceAll('\r\n', '\n');

function draft(
  publicKey: forge.pki.rsa.PublicKey,
  subject: forge.pki.CertificateField[],
  issuer: forge.pki.CertificateField[],
  days: number,
): forge.pki.Certificate {
  const made = forge.pki.createCertificate();
  made.publicKey = publicKey;
  made.serialNumber = (serial++).toString(16).padStart(4, '0');
  made.validity.notBefore = new Date(Date.now() - DAY_MS);
  made.validity.notAfter = new Date(Date.now() + days * DAY_MS);
  made.setSubject(subject);
  made.setIssuer(issuer);
  return made;
}
