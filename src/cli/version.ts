import { readFileSync } from 'node:fs';

/** The version in package.json, two folders up in a checkout and in an installed package alike. */
export function applianceVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}
