/** The quotas of clients, as the metadata say: what is set for which users, client ids and addresses. */
import type { Infer } from '../protocol/schema.ts';
import type { clientQuotaRecord, MetadataRecord } from './metadata-records.ts';

/** Null: the default of the type, which is `user`, `client-id` or `ip`. */
export interface QuotaEntity {
  readonly entityType: string;
  readonly entityName: string | null;
}

/** What is set for an entity, by Kafka's keys. */
export interface QuotaImage {
  readonly entity: readonly QuotaEntity[];
  readonly values: ReadonlyMap<string, number>;
}

/** The same entity has the same key, in whichever order its parts are named. */
export const quotaKey = (entity: readonly QuotaEntity[]): string =>
  JSON.stringify(
    entity
      .map(({ entityType, entityName }) => [entityType, entityName] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );

export class QuotaImages {
  readonly #quotas = new Map<string, { entity: QuotaEntity[]; values: Map<string, number> }>();
  #version = 0;

  /** By `quotaKey`. */
  get all(): ReadonlyMap<string, QuotaImage> {
    return this.#quotas;
  }
  /** Goes up with every change. */
  get version(): number {
    return this.#version;
  }

  put({ entity, key, value, remove }: Infer<typeof clientQuotaRecord>): void {
    this.#version += 1;
    const name = quotaKey(entity);
    let quota = this.#quotas.get(name);
    if (remove) {
      quota?.values.delete(key);
      if (quota?.values.size === 0) this.#quotas.delete(name);
      return;
    }
    if (quota === undefined) this.#quotas.set(name, (quota = { entity, values: new Map() }));
    quota.values.set(key, value);
  }

  clear(): void {
    this.#version += 1;
    this.#quotas.clear();
  }

  *records(): Generator<MetadataRecord> {
    for (const { entity, values } of this.#quotas.values()) {
      for (const [key, value] of values) {
        yield { type: 'ClientQuota', value: { entity, key, value, remove: false } };
      }
    }
  }
}
