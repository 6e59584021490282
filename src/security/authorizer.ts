/**
 * Decides who may do what, by the rules of the metadata log, as Kafka's StandardAuthorizer does:
 * a rule that denies beats all that allow; rules of a resource are those with its name, with `*`, and
 * with a prefix of its name; where a resource has no rule at all, `allowIfNoAcl` decides; super
 * users may do everything.
 *
 * The rules are looked at once a principal, host and resource: the answer for all operations is one
 * number, and kept until the rules change. So a hot path costs one look-up by a name that is there
 * already. What is kept is bounded; when it is full, all of it is forgotten.
 */

import {
  type Acl,
  AclOperation,
  AclPattern,
  AclPermission,
  describeAcl,
  LAST_OPERATION,
  operationBits,
  WILDCARD,
  WILDCARD_PRINCIPAL,
} from '../protocol/acl.ts';
import { hostText } from '../protocol/address.ts';
import { BROKER, type Principal, parsePrincipal } from './principal.ts';

/** Decisions that are kept over all principals; longer names are decided anew each time. */
const DECISIONS_MAX = 100_000;
const NAME_LENGTH_MAX = 255;

/** The rules, and a number that changes with them. */
export interface AclSource {
  readonly acls: Iterable<Acl>;
  readonly version: number;
}

export interface AuthorizerSettings {
  /** `type:name` each. */
  readonly superUsers: ReadonlySet<string>;
  /** Everybody may do everything to a resource without any rule. */
  readonly allowIfNoAcl: boolean;
}

const bit = (operation: number): number => 1 << operation;

/** Every operation: bits 2 (all) to the last. */
const EVERYTHING = (bit(LAST_OPERATION + 1) - 1) & ~0b11;

const { read, write, alter, describe, describeConfigs, alterConfigs, all } = AclOperation;

/** What a rule that allows an operation allows besides. Denying denies that one alone. */
const implied: readonly number[] = Array.from({ length: LAST_OPERATION + 1 }, (_, operation) => {
  if (operation === all) return EVERYTHING;
  let bits = bit(operation);
  if ([read, write, AclOperation.delete, alter].includes(operation as never)) bits |= bit(describe);
  if (operation === alterConfigs) bits |= bit(describeConfigs);
  return bits;
});

/** `super.users`: `User:alice;User:bob`. Throws RangeError on what is no principal. */
export function parseSuperUsers(text: string): ReadonlySet<string> {
  const users = text
    .split(';')
    .map((user) => user.trim())
    .filter((user) => user !== '');
  for (const user of users) {
    if (parsePrincipal(user) === null) {
      throw new RangeError(`"${user}" is no principal; one is written like User:alice`);
    }
  }
  return new Set(users);
}

/** The rules of one kind of resource. */
class ResourceRules {
  readonly literal = new Map<string, Acl[]>();
  readonly prefixed = new Map<string, Acl[]>();
  readonly prefixLengths = new Set<number>();

  add(acl: Acl): void {
    const isLiteral = acl.patternType === AclPattern.literal;
    const byName = isLiteral ? this.literal : this.prefixed;
    const known = byName.get(acl.resourceName);
    if (known === undefined) byName.set(acl.resourceName, [acl]);
    else known.push(acl);
    if (!isLiteral) this.prefixLengths.add(acl.resourceName.length);
  }

  /** Calls it with every rule that applies to the resource. */
  each(name: string, visit: (acls: readonly Acl[]) => void): void {
    const own = this.literal.get(name);
    if (own !== undefined) visit(own);
    const everywhere = name === WILDCARD ? undefined : this.literal.get(WILDCARD);
    if (everywhere !== undefined) visit(everywhere);
    for (const length of this.prefixLengths) {
      if (length > name.length) continue;
      const some = this.prefixed.get(name.slice(0, length));
      if (some !== undefined) visit(some);
    }
  }
}

/** What one principal may do, coming from one host, as far as it was asked. */
export class Rights {
  readonly principal: Principal;
  readonly host: string;
  /** Of the rules that it was decided by; another number: it is of no use any more. */
  readonly version: number;
  readonly #authorizer: Authorizer;
  /** By kind of resource, then by name: the bits of the operations that are allowed. */
  readonly #decided: (Map<string, number> | undefined)[] = [];

  constructor(authorizer: Authorizer, principal: Principal, host: string, version: number) {
    this.#authorizer = authorizer;
    this.principal = principal;
    this.host = host;
    this.version = version;
  }

  /** Bits of the operations that are allowed on the resource. */
  on(resourceType: number, name: string): number {
    if (this.principal === BROKER) return EVERYTHING;
    const byName = (this.#decided[resourceType] ??= new Map());
    let allowed = byName.get(name);
    if (allowed !== undefined) return allowed;
    allowed = this.#authorizer.decide(this.principal, this.host, resourceType, name);
    if (name.length <= NAME_LENGTH_MAX && this.#authorizer.mayKeep()) byName.set(name, allowed);
    this.#authorizer.onDecided(this, resourceType, name, allowed);
    return allowed;
  }

  may(operation: number, resourceType: number, name: string): boolean {
    return (this.on(resourceType, name) & bit(operation)) !== 0;
  }

  /** Whether there may be any resource of the kind on which the operation is allowed. */
  mayOnAny(operation: number, resourceType: number): boolean {
    return this.#authorizer.mayOnAny(this, operation, resourceType);
  }

  /** The operations that are allowed out of those that exist for the kind, as Kafka tells them. */
  operations(resourceType: number, name: string): number {
    return operationBits(resourceType) & this.on(resourceType, name);
  }
}

export class Authorizer {
  readonly #source: AclSource;
  readonly #settings: AuthorizerSettings;
  /** Kinds of resources by their number; null: not looked through since the last change. */
  #rules: Map<number, ResourceRules> | null = null;
  #sourceVersion = -1;
  #version = 0;
  #kept = 0;
  #rights = new Map<string, Rights>();
  readonly #broker = new Rights(this, BROKER, '', -1);

  /** Called with what has just been decided. */
  onDecided: (rights: Rights, resourceType: number, name: string, allowed: number) => void =
    () => {};

  constructor(source: AclSource, settings: AuthorizerSettings) {
    this.#source = source;
    this.#settings = settings;
  }

  /** Decisions that are kept. */
  get cached(): number {
    return this.#kept;
  }

  /** Those that hold now. `held`, from an earlier call of the same connection, spares the look-up. */
  rightsOf(principal: Principal, host: string, held: Rights | null = null): Rights {
    if (principal === BROKER) return this.#broker;
    if (this.#sourceVersion !== this.#source.version) {
      this.#sourceVersion = this.#source.version;
      this.#rules = null;
      this.#forget();
    }
    const isOurs = held?.principal === principal || held?.principal.text === principal.text;
    if (held !== null && isOurs && held.version === this.#version) return held;
    const key = `${host}/${principal.text}`;
    let rights = this.#rights.get(key);
    if (rights === undefined) {
      this.mayKeep();
      rights = new Rights(this, principal, hostText(host), this.#version);
      this.#rights.set(key, rights);
    }
    return rights;
  }

  isSuperUser(principal: Principal): boolean {
    return this.#settings.superUsers.has(principal.text);
  }

  /** Counts one more decision; false when all were forgotten instead. */
  mayKeep(): boolean {
    if (this.#kept < DECISIONS_MAX) {
      this.#kept += 1;
      return true;
    }
    this.#forget();
    return false;
  }

  #forget(): void {
    this.#version += 1;
    this.#kept = 0;
    this.#rights = new Map();
  }

  #rulesOf(resourceType: number): ResourceRules | undefined {
    if (this.#rules === null) {
      this.#rules = new Map();
      for (const acl of this.#source.acls) {
        let rules = this.#rules.get(acl.resourceType);
        if (rules === undefined) this.#rules.set(acl.resourceType, (rules = new ResourceRules()));
        rules.add(acl);
      }
    }
    return this.#rules.get(resourceType);
  }

  /** Looks through the rules. */
  decide(principal: Principal, host: string, resourceType: number, name: string): number {
    if (this.isSuperUser(principal)) return EVERYTHING;
    let hasRules = false;
    let allowed = 0;
    let denied = 0;
    this.#rulesOf(resourceType)?.each(name, (acls) => {
      hasRules = true;
      for (const acl of acls) {
        if (!isAbout(acl, principal, host)) continue;
        const { operation, permissionType } = acl;
        if (permissionType === AclPermission.allow) allowed |= implied[operation] ?? 0;
        else denied |= operation === all ? EVERYTHING : bit(operation);
      }
    });
    if (!hasRules) return this.#settings.allowIfNoAcl ? EVERYTHING : 0;
    return allowed & ~denied;
  }

  /**
   * As Kafka's authorizeByResourceType: what is not denied everywhere and is allowed by some rule
   * that no other one covers up; implied operations do not count.
   */
  mayOnAny(rights: Rights, operation: number, resourceType: number): boolean {
    const { principal, host } = rights;
    // Whoever may do it to a resource that nobody has named, may.
    if (rights.may(operation, resourceType, 'hardcode')) return true;
    const rules = this.#rulesOf(resourceType);
    if (rules === undefined) return false;
    const some = (acls: readonly Acl[] | undefined, permission: number): boolean =>
      acls?.some(
        (acl) =>
          acl.permissionType === permission &&
          (acl.operation === operation || acl.operation === all) &&
          isAbout(acl, principal, host),
      ) ?? false;
    const { allow, deny } = AclPermission;
    if (some(rules.literal.get(WILDCARD), deny)) return false;
    if (some(rules.literal.get(WILDCARD), allow)) return true;
    const isCovered = (name: string): boolean =>
      [...rules.prefixLengths].some(
        (length) => length <= name.length && some(rules.prefixed.get(name.slice(0, length)), deny),
      );
    for (const [name, acls] of rules.literal) {
      if (some(acls, allow) && !some(acls, deny) && !isCovered(name)) return true;
    }
    for (const [name, acls] of rules.prefixed) {
      if (some(acls, allow) && !isCovered(name)) return true;
    }
    return false;
  }

  /** In words, which rule has decided: for the audit log. */
  reason(rights: Rights, operation: number, resourceType: number, name: string): string {
    const { principal, host } = rights;
    if (this.isSuperUser(principal)) return 'SuperUser';
    const isAllowed = rights.may(operation, resourceType, name);
    const permission = isAllowed ? AclPermission.allow : AclPermission.deny;
    let found: Acl | null = null;
    this.#rulesOf(resourceType)?.each(name, (acls) => {
      found ??=
        acls.find(
          (acl) =>
            acl.permissionType === permission &&
            isAbout(acl, principal, host) &&
            (isAllowed
              ? ((implied[acl.operation] ?? 0) & bit(operation)) !== 0
              : acl.operation === operation || acl.operation === all),
        ) ?? null;
    });
    if (found === null) return isAllowed ? 'DefaultAllow' : 'DefaultDeny';
    return describeAcl(found);
  }
}

const isAbout = (acl: Acl, principal: Principal, host: string): boolean =>
  (acl.principal === principal.text || acl.principal === WILDCARD_PRINCIPAL) &&
  (acl.host === WILDCARD || hostText(acl.host) === host);
