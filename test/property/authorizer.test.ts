/** The authorizer, held against rules that are looked through one by one, and asked while they change. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Acl,
  AclOperation,
  AclPattern,
  AclPermission,
  AclResource,
  supportedOperations,
} from '../../src/protocol/acl.ts';
import { Authorizer } from '../../src/security/authorizer.ts';
import { Principal } from '../../src/security/principal.ts';

const NAMES = ['*', 'a', 'ab', 'abc', 'abd', 'b', 'hardcode'];
const PRINCIPALS = ['User:*', 'User:alice', 'User:bob', 'Group:alice'];
const HOSTS = ['*', '10.0.0.1', '::1'];
const OPERATIONS = Object.values(AclOperation).filter((operation) => operation > AclOperation.any);

const acl: fc.Arbitrary<Acl> = fc.record({
  resourceType: fc.constantFrom(AclResource.topic, AclResource.group),
  resourceName: fc.constantFrom(...NAMES),
  patternType: fc.constantFrom(AclPattern.literal, AclPattern.prefixed),
  principal: fc.constantFrom(...PRINCIPALS),
  host: fc.constantFrom(...HOSTS),
  operation: fc.constantFrom(...OPERATIONS),
  permissionType: fc.constantFrom(AclPermission.allow, AclPermission.deny),
});
const asker = fc.record({
  type: fc.constantFrom('User', 'Group'),
  name: fc.constantFrom('alice', 'bob', '*', 'root'),
  host: fc.constantFrom('10.0.0.1', '10.0.0.2', '0:0:0:0:0:0:0:1'),
});
const question = fc.record({
  resourceType: fc.constantFrom(AclResource.topic, AclResource.group, AclResource.user),
  name: fc.constantFrom(...NAMES, 'abcd', 'z'),
  operation: fc.constantFrom(...OPERATIONS.filter((operation) => operation !== AclOperation.all)),
});

interface Asker {
  readonly type: string;
  readonly name: string;
  readonly host: string;
}

const isAbout = (rule: Acl, { type, name, host }: Asker): boolean =>
  (rule.principal === `${type}:${name}` || rule.principal === 'User:*') &&
  (rule.host === '*' || rule.host === host || (rule.host === '::1' && host === '0:0:0:0:0:0:0:1'));

const appliesTo = (rule: Acl, resourceType: number, name: string): boolean =>
  rule.resourceType === resourceType &&
  (rule.patternType === AclPattern.prefixed
    ? name.startsWith(rule.resourceName)
    : rule.resourceName === name || rule.resourceName === '*');

const IMPLIES_DESCRIBE: readonly number[] = [
  ...[AclOperation.read, AclOperation.write, AclOperation.delete, AclOperation.alter],
];

function allows(rule: Acl, operation: number): boolean {
  if (rule.operation === operation || rule.operation === AclOperation.all) return true;
  if (operation === AclOperation.describe) return IMPLIES_DESCRIBE.includes(rule.operation);
  return operation === AclOperation.describeConfigs && rule.operation === AclOperation.alterConfigs;
}

function naive(
  rules: readonly Acl[],
  asks: Asker,
  { resourceType, name, operation }: { resourceType: number; name: string; operation: number },
  allowIfNoAcl: boolean,
): boolean {
  if (asks.name === 'root' && asks.type === 'User') return true;
  const some = rules.filter((rule) => appliesTo(rule, resourceType, name));
  if (some.length === 0) return allowIfNoAcl;
  const mine = some.filter((rule) => isAbout(rule, asks));
  const isDenied = mine.some(
    (rule) =>
      rule.permissionType === AclPermission.deny &&
      (rule.operation === operation || rule.operation === AclOperation.all),
  );
  return (
    !isDenied &&
    mine.some((rule) => rule.permissionType === AclPermission.allow && allows(rule, operation))
  );
}

describe('the authorizer', () => {
  const setup = (allowIfNoAcl: boolean) => {
    const source = { acls: [] as Acl[], version: 0 };
    const superUsers = new Set(['User:root']);
    return { source, authorizer: new Authorizer(source, { superUsers, allowIfNoAcl }) };
  };

  test('decides as rules that are looked through one by one, also after they have changed', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.array(acl, { maxLength: 12 }),
            fc.array(fc.tuple(asker, question), { maxLength: 12 }),
          ),
          { minLength: 1, maxLength: 4 },
        ),
        fc.boolean(),
        (rounds, allowIfNoAcl) => {
          const { source, authorizer } = setup(allowIfNoAcl);
          for (const [rules, questions] of rounds) {
            source.acls = rules;
            source.version += 1;
            for (const [asks, asked] of [...questions, ...questions]) {
              const principal = new Principal(asks.type, asks.name);
              const rights = authorizer.rightsOf(principal, asks.host);
              const { operation, resourceType, name } = asked;
              expect(rights.may(operation, resourceType, name)).toBe(
                naive(rules, asks, asked, allowIfNoAcl),
              );
            }
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test('tells the operations that it would allow one by one', () => {
    fc.assert(
      fc.property(fc.array(acl, { maxLength: 12 }), asker, question, (rules, asks, asked) => {
        const { source, authorizer } = setup(false);
        source.acls = rules;
        const { resourceType, name } = asked;
        const rights = authorizer.rightsOf(new Principal(asks.type, asks.name), asks.host);
        const expected = supportedOperations[resourceType]!.filter((operation) =>
          naive(rules, asks, { resourceType, name, operation }, false),
        );
        const bits = expected.reduce((set, operation) => set | (1 << operation), 0);
        expect(rights.operations(resourceType, name)).toBe(bits);
      }),
      { numRuns: 300 },
    );
  });

  test('grants a right on any resource where a rule of its own grants it, and no other denies it all', () => {
    fc.assert(
      fc.property(fc.array(acl, { maxLength: 12 }), asker, question, (rules, asks, asked) => {
        const { source, authorizer } = setup(false);
        source.acls = rules;
        const { operation, resourceType } = asked;
        const rights = authorizer.rightsOf(new Principal(asks.type, asks.name), asks.host);
        const mine = rules.filter(
          (rule) =>
            rule.resourceType === resourceType &&
            isAbout(rule, asks) &&
            (rule.operation === operation || rule.operation === AclOperation.all),
        );
        const denials = mine.filter((rule) => rule.permissionType === AclPermission.deny);
        const isCovered = (rule: Acl): boolean =>
          denials.some((denial) =>
            denial.patternType === AclPattern.prefixed
              ? rule.resourceName.startsWith(denial.resourceName)
              : rule.patternType === AclPattern.literal &&
                denial.resourceName === rule.resourceName,
          );
        const isWild = (rule: Acl): boolean =>
          rule.patternType === AclPattern.literal && rule.resourceName === '*';
        const grants = mine.filter((rule) => rule.permissionType === AclPermission.allow);
        const expected =
          naive(rules, asks, { resourceType, name: 'hardcode', operation }, false) ||
          (!denials.some(isWild) && grants.some((rule) => isWild(rule) || !isCovered(rule)));
        expect(rights.mayOnAny(operation, resourceType)).toBe(expected);
      }),
      { numRuns: 500 },
    );
  });
});
