/** The package ships no types. */
declare module 'snappyjs' {
  export function compress(bytes: Uint8Array): Uint8Array;
  /** Throws when the stream is damaged or claims more than `maxLength` bytes. */
  export function uncompress(bytes: Uint8Array, maxLength?: number): Uint8Array;
}
