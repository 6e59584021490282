/**
 * What administrators do with rights and quotas: ACLs (KIP-140, KIP-290) and quotas of users, client
 * ids and addresses (KIP-546). Methods reject with ProtocolError at the first thing that is refused.
 */
import { type Acl, type AclFilter, aclFilterFields } from '../protocol/acl.ts';
import { ErrorCode, errorName, ProtocolError } from '../protocol/error-codes.ts';
import type { Call } from './call.ts';
import { calls } from './call.ts';
import type { Client } from './client.ts';
import { retried } from './retried.ts';

/** By type (`user`, `client-id`, `ip`); null: the default of the type. */
export type QuotaEntityNames = Readonly<Record<string, string | null>>;

export interface EntityQuotas {
  readonly entity: QuotaEntityNames;
  readonly quotas: Readonly<Record<string, number>>;
}

function check(errorCode: number, what: string, text: string | null): void {
  if (errorCode === ErrorCode.NONE) return;
  throw new ProtocolError(errorCode, `${what}: ${text ?? errorName(errorCode)}`);
}

export class SecurityAdmin {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async acls(filter: AclFilter): Promise<Acl[]> {
    const body = aclFilterFields(filter);
    const answer = await this.#asked(calls.describeAcls, body, (r) => [r.errorCode]);
    check(answer.errorCode, 'the ACLs', answer.errorMessage);
    return answer.resources.flatMap(({ acls, ...resource }) =>
      acls.map((entry) => ({ ...resource, ...entry })),
    );
  }

  /** Those that are there already are left as they are. */
  async createAcls(acls: readonly Acl[]): Promise<void> {
    const creations = acls.map(({ patternType, ...acl }) => ({
      ...acl,
      resourcePatternType: patternType,
    }));
    const codes = (r: { results: readonly { errorCode: number }[] }) =>
      r.results.map(({ errorCode }) => errorCode);
    const answer = await this.#asked(calls.createAcls, { creations }, codes);
    for (const { errorCode, errorMessage } of answer.results) {
      check(errorCode, 'an ACL', errorMessage);
    }
  }

  /** Resolves to what is gone. */
  async deleteAcls(filters: readonly AclFilter[]): Promise<Acl[]> {
    const body = { filters: filters.map(aclFilterFields) };
    const answer = await this.#asked(calls.deleteAcls, body, (r) =>
      r.filterResults.map(({ errorCode }) => errorCode),
    );
    return answer.filterResults.flatMap(({ errorCode, errorMessage, matchingAcls }) => {
      check(errorCode, 'ACLs', errorMessage);
      return matchingAcls;
    });
  }

  /** Of the entities that have each type that is named; undefined in it: any name, or the default. */
  async quotas(
    entity: Readonly<Record<string, string | null | undefined>>,
  ): Promise<EntityQuotas[]> {
    const components = Object.entries(entity).map(([entityType, name]) => ({
      entityType,
      matchType: name === undefined ? 2 : name === null ? 1 : 0,
      match: name ?? null,
    }));
    const body = { components, strict: false };
    const answer = await this.#asked(calls.describeClientQuotas, body, (r) => [r.errorCode]);
    check(answer.errorCode, 'the quotas', answer.errorMessage);
    return (answer.entries ?? []).map((entry) => ({
      entity: Object.fromEntries(entry.entity.map((e) => [e.entityType, e.entityName])),
      quotas: Object.fromEntries(entry.values.map(({ key, value }) => [key, value])),
    }));
  }

  /** Sets quotas; null takes one away. */
  async alterQuotas(
    entity: QuotaEntityNames,
    changes: Readonly<Record<string, number | null>>,
  ): Promise<void> {
    const named = Object.entries(entity).map(([entityType, entityName]) => ({
      entityType,
      entityName,
    }));
    const ops = Object.entries(changes).map(([key, value]) => ({
      ...{ key, value: value ?? 0, remove: value === null },
    }));
    const body = { entries: [{ entity: named, ops }], validateOnly: false };
    const answer = await this.#asked(calls.alterClientQuotas, body, (r) =>
      r.entries.map(({ errorCode }) => errorCode),
    );
    for (const { errorCode, errorMessage } of answer.entries) {
      check(errorCode, 'the quotas', errorMessage);
    }
  }

  #asked<Q, R>(call: Call<Q, R>, body: Q, codes: (response: R) => readonly number[]): Promise<R> {
    return retried(this.#client, () => this.#client.request('any', call, body), codes);
  }
}
