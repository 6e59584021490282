/**
 * Where each broker keeps its data: its own folders of the list, those of `log.dirs` to the letter, or
 * its part of `data.dir`. No folder is two brokers'.
 */
import { join } from 'node:path';
import type { Members, Report } from './broker-members.ts';
import type { KeyValue } from './table.ts';

export interface FolderOptions {
  /** Of `data.dir`: one for all brokers, or one for each. */
  readonly shared: readonly string[];
  /** `broker.log.dirs`, which only a lone broker may have; null: not given. */
  readonly lone: KeyValue;
  readonly members: Members;
  /** What each broker's folder is called where it shares one. */
  readonly names: readonly string[];
  /** Against the working directory. */
  readonly resolve: (folder: string) => string;
}

export function brokerFolders(options: FolderOptions, report: Report): (readonly string[])[] {
  const { lone, members, names, resolve } = options;
  const shared = options.shared.map(resolve);
  const owners = new Map<string, string>();
  const claim = (folder: string, name: string): void => {
    const other = owners.get(folder);
    if (other === undefined) owners.set(folder, name);
    else if (other === name) report(name, `${folder} stands twice`);
    else report(name, `${folder} is ${other} already`);
  };
  if (shared.length > 1) for (const folder of shared) claim(folder, 'data.dir');
  const given = (index: number, key: string): readonly string[] | null =>
    (members.get(index)?.get(key)?.value ?? null) as readonly string[] | null;
  const lacks = names.some((_, i) => given(i, 'data') === null);
  if (shared.length > 1 && shared.length !== names.length && lacks) {
    const brokers = names.length === 1 ? '1 broker' : `${names.length} brokers`;
    report(
      'data.dir',
      `${shared.length} folders for ${brokers}; give one for all, or one for each (brokers: ${shared.length})`,
    );
  }
  return names.map((name, i) => {
    const own = given(i, 'log.dirs');
    const exact = own ?? (lone as readonly string[] | null);
    if (exact !== null) {
      const key = own === null ? 'broker.log.dirs' : `brokers[${i}].log.dirs`;
      return exact.map((dir) => {
        const folder = resolve(dir);
        claim(folder, key);
        return folder;
      });
    }
    const data = given(i, 'data')?.map(resolve) ?? null;
    for (const folder of data ?? []) claim(folder, `brokers[${i}].data`);
    const folders = data ?? [shared.length > 1 ? (shared[i] ?? shared[0]!) : shared[0]!];
    return folders.map((folder) => join(folder, name));
  });
}
