/**
 * The subject of a certificate as text, in the form of RFC 2253 that Java gives (X500Principal), so
 * that ACLs and `ssl.principal.mapping.rules` written for Apache Kafka mean the same people here:
 * the most specific attribute first, no spaces, and types that RFC 2253 does not name as numbers.
 */

const TAG = { sequence: 0x30, set: 0x31, oid: 0x06, bmp: 0x1e, universal: 0x1c } as const;
const VERSION_TAG = 0xa0;

/** Types that have a name there. */
const names: ReadonlyMap<string, string> = new Map([
  ['2.5.4.3', 'CN'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.9', 'STREET'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['0.9.2342.19200300.100.1.25', 'DC'],
  ['0.9.2342.19200300.100.1.1', 'UID'],
]);

interface Element {
  readonly tag: number;
  /** With its tag and length. */
  readonly whole: Buffer;
  readonly content: Buffer;
}

/** Throws RangeError on what is no DER. */
function* elements(bytes: Buffer): Generator<Element> {
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes.readUInt8(at);
    let length = bytes.readUInt8(at + 1);
    let start = at + 2;
    if (length > 0x80) {
      const width = length & 0x7f;
      length = bytes.readUIntBE(start, Math.min(width, 6));
      start += width;
    }
    const end = start + length;
    if (end > bytes.length) throw new RangeError('a certificate that ends too early');
    yield { tag, whole: bytes.subarray(at, end), content: bytes.subarray(start, end) };
    at = end;
  }
}

const children = (element: Element | undefined): Element[] =>
  element === undefined ? [] : [...elements(element.content)];

/** Of the subject of a certificate in DER. */
export function distinguishedName(certificate: Buffer): string {
  const [outer] = elements(certificate);
  const [signed] = children(outer);
  const fields = children(signed).filter(({ tag }) => tag !== VERSION_TAG);
  // serialNumber, signature, issuer, validity, subject.
  if (fields[4] === undefined) throw new RangeError('a certificate that ends too early');
  const relative = children(fields[4]).map((set) =>
    children(set).map(children).map(attribute).join('+'),
  );
  return relative.reverse().join(',');
}

function attribute([type, value]: Element[]): string {
  if (type === undefined || value === undefined || type.tag !== TAG.oid) {
    throw new RangeError('a certificate with a subject that is no name');
  }
  const oid = numbers(type.content);
  const name = names.get(oid);
  const text = name === undefined ? null : textOf(value);
  return text === null
    ? `${name ?? oid}=#${value.whole.toString('hex')}`
    : `${name}=${escaped(text)}`;
}

function numbers(bytes: Buffer): string {
  const parts: number[] = [];
  let part = 0;
  for (const byte of bytes) {
    part = part * 128 + (byte & 0x7f);
    if (byte < 0x80) {
      if (parts.length === 0) {
        const first = Math.min(Math.floor(part / 40), 2);
        parts.push(first, part - first * 40);
      } else parts.push(part);
      part = 0;
    }
  }
  return parts.join('.');
}

/** UTF8String, PrintableString, T61String, IA5String, and those of two and four bytes a character. */
function textOf({ tag, content }: Element): string | null {
  switch (tag) {
    case 0x0c:
      return content.toString('utf8');
    case 0x13:
    case 0x14:
    case 0x16:
      return content.toString('latin1');
    case TAG.bmp:
      return Buffer.from(content).swap16().toString('utf16le');
    case TAG.universal: {
      const points = [];
      for (let at = 0; at + 4 <= content.length; at += 4) points.push(content.readUInt32BE(at));
      return String.fromCodePoint(...points);
    }
    default:
      return null;
  }
}

function escaped(text: string): string {
  return text
    .replaceAll(/[,=+<>#;"\\]/g, (character) => `\\${character}`)
    .replace(/^ +| +$/g, (spaces) => spaces.replaceAll(' ', '\\ '));
}
