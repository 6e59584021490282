/** Configuration in words: problems with their place, and effective values with their origin. */
import { basename } from 'node:path';
import type { Effective, Origin } from './load.ts';
import { formatValue, isSecret, type KeyValue } from './table.ts';
import type { Problem } from './yaml-file.ts';

export const MASK = '***';

/** `weir.yaml:3:1: unknown key consle.port; did you mean console.port?` */
export const problemLine = ({ message, place }: Problem): string =>
  place === null ? message : `${place.file}:${place.line}:${place.column}: ${message}`;

export function originText(origin: Origin): string {
  switch (origin.source) {
    case 'default':
      return 'default';
    case 'file':
      return `${basename(origin.place.file)}:${origin.place.line}`;
    case 'environment':
      return origin.variable;
    case 'option':
      return origin.option;
  }
}

export interface ShownValue {
  readonly key: string;
  /** Secrets are masked; null when there is no value. */
  readonly value: KeyValue;
  readonly origin: string;
}

/** Every key with its effective value, secrets masked, in the order of the tables. */
export const shownValues = (values: ReadonlyMap<string, Effective>): ShownValue[] =>
  [...values.values()].map(({ key, value, origin }) => ({
    key: key.name,
    value: isSecret(key) && value !== null ? MASK : value,
    origin: originText(origin),
  }));

export const shownText = (value: KeyValue): string => (value === null ? '-' : formatValue(value));
