/**
 * Names that are objects in ECS and in the index template, and the field of each that a bare value
 * is: `"error":"boom"` is meant as `"error":{"message":"boom"}`. An index that knows the object
 * refuses the whole document for the bare value.
 */
const FIELD_OF = {
  log: 'original',
  client: 'address',
  error: 'message',
  event: 'action',
  host: 'name',
  http: 'value',
  process: 'name',
  service: 'name',
  source: 'address',
  span: 'id',
  trace: 'id',
  transaction: 'id',
} as const;

export type EcsObjectName = keyof typeof FIELD_OF;

export interface EcsObject {
  readonly name: EcsObjectName;
  readonly key: Buffer;
  /** `,"error":{"message":` */
  readonly open: Buffer;
}

export const ecsObjects: readonly EcsObject[] = Object.entries(FIELD_OF).map(([name, field]) => ({
  name: name as EcsObjectName,
  key: Buffer.from(name),
  open: Buffer.from(`,"${name}":{"${field}":`),
}));

const LENGTH_MAX = Math.max(...ecsObjects.map(({ key }) => key.length));
const NONE: readonly EcsObject[] = [];
const BY_LENGTH: readonly (readonly EcsObject[])[] = Array.from(
  { length: LENGTH_MAX + 1 },
  (_, length) => ecsObjects.filter(({ key }) => key.length === length),
);

/** The object of the name in `[start, end)`; null when ECS has none. */
export function ecsObjectAt(bytes: Uint8Array, start: number, end: number): EcsObject | null {
  for (const object of BY_LENGTH[end - start] ?? NONE) {
    let same = 0;
    while (start + same < end && bytes[start + same] === object.key[same]) same++;
    if (start + same === end) return object;
  }
  return null;
}
