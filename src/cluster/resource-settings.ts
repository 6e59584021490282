/** What was set on resources (topics, brokers, groups, …), by the resource and the setting's name. */
import type { MetadataRecord } from './metadata-records.ts';

export type Settings = ReadonlyMap<string, string>;
const NO_SETTINGS: Settings = new Map();

const keyOf = (resourceType: number, resourceName: string): string =>
  `${resourceType}/${resourceName}`;

/** A resource is there as long as something is set on it. */
export class ResourceSettings {
  readonly #settings = new Map<string, Map<string, string>>();

  of(resourceType: number, resourceName: string): Settings {
    return this.#settings.get(keyOf(resourceType, resourceName)) ?? NO_SETTINGS;
  }

  /** Names of the resources of a type that have settings. */
  names(resourceType: number): string[] {
    const prefix = keyOf(resourceType, '');
    return [...this.#settings.keys()]
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length));
  }

  /** Null takes the setting away. */
  set(resourceType: number, resourceName: string, name: string, value: string | null): void {
    const key = keyOf(resourceType, resourceName);
    let settings = this.#settings.get(key);
    if (value === null) {
      settings?.delete(name);
      if (settings?.size === 0) this.#settings.delete(key);
      return;
    }
    if (settings === undefined) this.#settings.set(key, (settings = new Map()));
    settings.set(name, value);
  }

  /** The resource is gone. */
  forget(resourceType: number, resourceName: string): void {
    this.#settings.delete(keyOf(resourceType, resourceName));
  }

  clear(): void {
    this.#settings.clear();
  }

  *records(): Generator<MetadataRecord> {
    for (const [resource, settings] of this.#settings) {
      const slash = resource.indexOf('/');
      const resourceType = Number(resource.slice(0, slash));
      const resourceName = resource.slice(slash + 1);
      for (const [name, value] of settings) {
        yield { type: 'Config', value: { resourceType, resourceName, name, value } };
      }
    }
  }
}
