/**
 * Compiles a message schema into a reader and a writer for one version.
 *
 * The emitted source is straight-line code with every version question already answered. It is
 * built from schema literals only, never from data, and compiled on first use of a version.
 * `test/property/codec.test.ts` holds it against an interpreter of the same schema.
 */
import { ByteReader, ByteWriter } from '../base/bytes.ts';
import type { Message, Spec } from './schema.ts';

export interface Codec<T> {
  /** Throws RangeError on bytes that are no such message. */
  read(reader: ByteReader): T;
  write(writer: ByteWriter, value: T): void;
}
type Named = readonly [name: string, spec: Spec];

const codecs = new WeakMap<Message<any>, Codec<any>[]>();

export function codec<T>(message: Message<T>, version: number): Codec<T> {
  let byVersion = codecs.get(message);
  if (byVersion === undefined) codecs.set(message, (byVersion = []));
  return (byVersion[version] ??= compile(message, version));
}

/** Encodes a whole message, without any header. */
export function encode<T>(message: Message<T>, version: number, value: T): Buffer {
  const writer = new ByteWriter();
  codec(message, version).write(writer, value);
  return writer.toBuffer();
}

/** Decodes a whole message, without any header. */
export function decode<T>(message: Message<T>, version: number, buffer: Buffer): T {
  return codec(message, version).read(new ByteReader(buffer));
}

function compile<T>(message: Message<T>, version: number): Codec<T> {
  if (version < message.min || version > message.max) {
    throw new RangeError(
      `${message.name} has versions ${message.min}-${message.max}, asked for ${version}`,
    );
  }
  const flexible = version >= message.flexible;
  const reader = new Emitter(version, flexible);
  reader.emit(`return ${reader.read(message.body.spec)};`);
  const writer = new Emitter(version, flexible);
  writer.write(message.body.spec, 'x');
  // Source made of schema literals alone; no data ever gets into it.
  // oxlint-disable-next-line typescript/no-implied-eval
  const make = (...source: string[]): unknown => new Function(...source);
  const read = make('r', reader.source()) as Codec<T>['read'];
  const write = make('w', 'x', writer.source()) as Codec<T>['write'];
  return { read, write };
}

class Emitter {
  readonly version: number;
  readonly flexible: boolean;
  readonly #lines: string[] = [];
  #names = 0;

  constructor(version: number, flexible: boolean) {
    this.version = version;
    this.flexible = flexible;
  }

  source(): string {
    return this.#lines.join('\n');
  }
  emit(...lines: string[]): void {
    this.#lines.push(...lines);
  }

  /** Emits the decoding of one value; returns the name of the variable that holds it. */
  read(spec: Spec): string {
    const v = this.#name('v');
    switch (spec.kind) {
      case 'struct':
        this.#readStruct(spec, v);
        break;
      case 'array':
        this.#readArray(spec, v);
        break;
      case 'string':
        this.#readLength(spec, v, 'stringLength', `r.utf8(${v}n)`);
        break;
      case 'bytes':
      case 'records':
        this.#readLength(spec, v, 'bytesLength', `r.bytes(${v}n)`);
        break;
      default:
        this.emit(`const ${v} = r.${spec.kind}();`);
    }
    return v;
  }

  /** Emits the encoding of the value that the expression `x` names. */
  write(spec: Spec, x: string): void {
    switch (spec.kind) {
      case 'struct':
        this.#writeStruct(spec, x);
        break;
      case 'array':
        this.emit(
          `${this.#orNull(spec, x, `w.arrayLength(-1, ${this.flexible})`)}{`,
          ...this.#nested((inner) => inner.#writeArray(spec, x)),
          '}',
        );
        break;
      case 'string':
        this.emit(
          `${this.#orNull(spec, x, `w.nullString(${this.flexible})`)}w.string(${x}, ${this.flexible});`,
        );
        break;
      case 'bytes':
      case 'records':
        if (!this.#nullable(spec)) {
          this.emit(`if (${x} === null) throw new RangeError('null ${spec.kind}');`);
        }
        this.emit(`w.bytes(${x}, ${this.flexible});`);
        break;
      default:
        this.emit(`w.${spec.kind}(${x});`);
    }
  }

  #orNull(spec: Spec, x: string, nullCase: string): string {
    return this.#nullable(spec) ? `if (${x} === null) ${nullCase}; else ` : '';
  }

  /** Collects what `body` emits, sharing this emitter's names. */
  #nested(body: (inner: Emitter) => void): string[] {
    const inner = new Emitter(this.version, this.flexible);
    inner.#names = this.#names;
    body(inner);
    this.#names = inner.#names;
    return inner.#lines;
  }

  #readLength(spec: Spec, v: string, method: string, present: string): void {
    this.emit(`const ${v}n = r.${method}(${this.flexible});`);
    if (!this.#nullable(spec)) {
      this.emit(`if (${v}n < 0) throw new RangeError('null ${spec.kind}');`);
    }
    this.emit(`const ${v} = ${this.#nullable(spec) ? `${v}n < 0 ? null : ` : ''}${present};`);
  }

  #readArray(spec: Spec, v: string): void {
    // Grown by push: a count that lies costs nothing before its first missing item throws.
    this.#readLength(spec, v, 'arrayLength', '[]');
    this.emit(`for (let i = 0; i < ${v}n; i++) {`);
    this.emit(`${v}.push(${this.read(spec.item!)});`, '}');
  }

  #writeArray(spec: Spec, x: string): void {
    const [items, item] = [this.#name('a'), this.#name('e')];
    this.emit(`const ${items} = ${x};`, `w.arrayLength(${items}.length, ${this.flexible});`);
    this.emit(`for (const ${item} of ${items}) {`);
    this.write(spec.item!, item);
    this.emit('}');
  }

  #readStruct(spec: Spec, v: string): void {
    if (this.#nullable(spec)) {
      // A nullable struct is led by one byte: -1 null, 1 present (KIP-893); a tagged one by 0 or 1.
      const isPresent = this.#isTagged(spec) ? 'r.uvarint() > 0' : 'r.int8() >= 0';
      this.emit(`let ${v} = null;`, `if (${isPresent}) {`);
      this.#readFields(spec, v, `${v} =`);
      this.emit('}');
    } else this.#readFields(spec, v, `const ${v} =`);
  }

  #readFields(spec: Spec, v: string, assign: string): void {
    const values = new Map(spec.fields.map(([name, f]): [string, string] => [name, literal(f)]));
    for (const [name, f] of this.#plain(spec)) values.set(name, this.read(f));
    const tagged = this.#tagged(spec);
    for (const [name, f] of tagged) {
      values.set(name, `${v}_${name}`);
      this.emit(`let ${v}_${name} = ${literal(f)};`);
    }
    if (this.flexible) this.#readTags(tagged, v);
    this.emit(
      `${assign} { ${[...values].map(([name, value]) => `${name}: ${value}`).join(', ')} };`,
    );
  }

  #readTags(tagged: readonly Named[], v: string): void {
    if (tagged.length === 0) return this.emit('r.skipTags();');
    this.emit('for (let n = r.uvarint(); n > 0; n--) {');
    this.emit('const tag = r.uvarint(), size = r.uvarint(), end = r.pos + size;', 'switch (tag) {');
    for (const [name, f] of tagged) {
      this.emit(`case ${f.tag}: {`);
      this.emit(`${v}_${name} = ${this.read(f)};`, 'break; }');
    }
    this.emit('default: r.skip(size);', '}');
    this.emit(`if (r.pos !== end) throw new RangeError('tagged field size');`, '}');
  }

  #writeStruct(spec: Spec, x: string): void {
    if (!this.#nullable(spec)) return this.#writeFields(spec, x);
    const noValue = this.#isTagged(spec) ? 0 : -1;
    this.emit(`if (${x} === null) w.int8(${noValue}); else { w.int8(1);`);
    this.#writeFields(spec, x);
    this.emit('}');
  }

  #writeFields(spec: Spec, x: string): void {
    for (const [name, f] of this.#plain(spec)) this.write(f, `${x}.${name}`);
    if (!this.flexible) return;
    const tagged = this.#tagged(spec);
    const count = tagged.map(([name, f]) => `(${this.#differs(f, `${x}.${name}`)} ? 1 : 0)`);
    this.emit(`w.uvarint(${count.join(' + ') || 0});`);
    for (const [name, f] of tagged) {
      const start = this.#name('start');
      this.emit(`if (${this.#differs(f, `${x}.${name}`)}) {`);
      this.emit(`w.uvarint(${f.tag});`, `const ${start} = w.beginPrefixed();`);
      this.write(f, `${x}.${name}`);
      this.emit(`w.prefixLength(${start});`, '}');
    }
  }

  /** Source text of the question whether `x` is anything but its absent value. */
  #differs(spec: Spec, x: string): string {
    if (spec.kind === 'struct') {
      const mayBeNull = this.#nullable(spec);
      if (mayBeNull && spec.absent === null) return `${x} !== null`;
      const inside = this.#live(spec).map(([name, f]) => this.#differs(f, `${x}.${name}`));
      return `(${[...(mayBeNull ? [`${x} === null`] : []), ...inside].join(' || ')})`;
    }
    if (spec.absent === null) return `${x} !== null`;
    if (spec.kind === 'array' || spec.kind === 'bytes') return `${x}?.length !== 0`;
    return `${x} !== ${literal(spec)}`;
  }

  #name(prefix: string): string {
    return `${prefix}${this.#names++}`;
  }
  #nullable(spec: Spec): boolean {
    return this.version >= spec.nullFrom;
  }
  #live(spec: Spec): Named[] {
    return spec.fields.filter(([, f]) => f.from <= this.version && this.version <= f.to);
  }
  #isTagged(spec: Spec): boolean {
    return spec.tag >= 0 && this.flexible && this.version >= spec.tagFrom;
  }
  #plain(spec: Spec): Named[] {
    return this.#live(spec).filter(([, f]) => !this.#isTagged(f));
  }
  #tagged(spec: Spec): Named[] {
    return this.#live(spec)
      .filter(([, f]) => this.#isTagged(f))
      .sort(([, a], [, b]) => a.tag - b.tag);
  }
}

/** Source text of the value a field has when it is not on the wire. */
function literal(spec: Spec): string {
  if (spec.kind === 'struct') {
    if (spec.nullFrom !== Infinity && spec.absent === null) return 'null';
    return `{ ${spec.fields.map(([name, f]) => `${name}: ${literal(f)}`).join(', ')} }`;
  }
  if (spec.kind === 'bytes' && spec.absent !== null) return 'Buffer.alloc(0)';
  return JSON.stringify(spec.absent);
}
