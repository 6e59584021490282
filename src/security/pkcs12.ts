/** Certificates of a PKCS#12 file (RFC 7292) that holds no key, such as Java's truststores are. */
import { X509Certificate } from 'node:crypto';
import forge from 'node-forge';
import { FatalError, reasonOf } from '../base/errors.ts';

/** In PEM. Throws FatalError naming `key`. */
export function pkcs12Certificates(bytes: Buffer, password: string, key: string): string[] {
  const certificates: string[] = [];
  try {
    const asn1 = forge.asn1.fromDer(bytes.toString('latin1'));
    const type = forge.pki.oids['certBag']!;
    const bags = forge.pkcs12.pkcs12FromAsn1(asn1, password).getBags({ bagType: type })[type] ?? [];
    for (const { cert, asn1: raw } of bags) {
      // Keys that are not RSA are unknown there; the bytes are all that is needed.
      const whole = cert === undefined || cert === null ? raw : forge.pki.certificateToAsn1(cert);
      const der = Buffer.from(forge.asn1.toDer(whole).getBytes(), 'latin1');
      certificates.push(new X509Certificate(der).toString());
    }
  } catch (error) {
    throw new FatalError(`${key}: this PKCS#12 file can't be read: ${reasonOf(error)}`);
  }
  if (certificates.length === 0)
    throw new FatalError(`${key}: no certificate in this PKCS#12 file`);
  return certificates;
}
