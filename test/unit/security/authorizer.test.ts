import { describe, expect, test } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import {
  type Acl,
  AclOperation,
  AclPattern,
  AclPermission,
  AclResource,
} from '../../../src/protocol/acl.ts';
import { AccessControl } from '../../../src/security/access-control.ts';
import { AuditLog } from '../../../src/security/audit-log.ts';
import { Authorizer, parseSuperUsers } from '../../../src/security/authorizer.ts';
import { BROKER, Principal } from '../../../src/security/principal.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const { read, write, describe: describes } = AclOperation;
const { topic } = AclResource;
const alice = new Principal('User', 'alice');

const rule = (more: Partial<Acl> = {}): Acl => ({
  resourceType: topic,
  resourceName: 't',
  patternType: AclPattern.literal,
  principal: 'User:alice',
  host: '*',
  operation: read,
  permissionType: AclPermission.allow,
  ...more,
});

function setup(rules: Acl[], allowIfNoAcl = false) {
  const source = { acls: rules, version: 0 };
  let looked = 0;
  const counted = {
    get acls() {
      looked += 1;
      return source.acls;
    },
    get version() {
      return source.version;
    },
  };
  const superUsers = parseSuperUsers('User:root; User:CN=x,O=y');
  const authorizer = new Authorizer(counted, { superUsers, allowIfNoAcl });
  return { source, authorizer, looked: () => looked };
}

describe('rights', () => {
  test('are kept until the rules change', () => {
    const { source, authorizer, looked } = setup([rule()]);
    const decided: string[] = [];
    authorizer.onDecided = (_, __, name) => decided.push(name);
    const first = authorizer.rightsOf(alice, 'h');
    for (let i = 0; i < 5; i++) {
      const held = authorizer.rightsOf(new Principal('User', 'alice'), 'h', first);
      expect(held).toBe(first);
      expect(held.may(read, topic, 't')).toBe(true);
    }
    expect([decided, looked()]).toEqual([['t'], 1]);
    source.acls = [];
    source.version += 1;
    const second = authorizer.rightsOf(alice, 'h', first);
    expect(second).not.toBe(first);
    expect(second.may(read, topic, 't')).toBe(false);
  });

  test('of another principal on the same connection are others', () => {
    const { authorizer } = setup([rule()]);
    const held = authorizer.rightsOf(alice, 'h');
    const bob = authorizer.rightsOf(new Principal('User', 'bob'), 'h', held);
    expect([held.may(read, topic, 't'), bob.may(read, topic, 't')]).toEqual([true, false]);
  });

  test('are forgotten when too many are kept, and are the same afterwards', () => {
    const { authorizer } = setup([rule({ resourceName: 'n', patternType: AclPattern.prefixed })]);
    for (let i = 0; i < 250_000; i++) {
      const rights = authorizer.rightsOf(alice, 'h');
      if (rights.may(read, topic, `n${i}`) !== true || rights.may(read, topic, `m${i}`)) {
        throw new Error(`wrong at ${i}`);
      }
      if (authorizer.cached > 100_000) throw new Error(`${authorizer.cached} are kept`);
    }
  });

  test('of names that no topic has are not kept', () => {
    const { authorizer } = setup([rule()]);
    const rights = authorizer.rightsOf(alice, 'h');
    const before = authorizer.cached;
    for (let i = 0; i < 10; i++) rights.may(read, topic, `${'x'.repeat(256)}${i}`);
    expect(authorizer.cached).toBe(before);
  });

  test('of a denied operation are gone, those that it would imply are not', () => {
    const { authorizer } = setup([
      rule({ operation: write }),
      rule({ permissionType: AclPermission.deny }),
      rule({ operation: AclOperation.delete }),
    ]);
    const rights = authorizer.rightsOf(alice, 'h');
    expect(rights.may(read, topic, 't')).toBe(false);
    expect(rights.may(describes, topic, 't')).toBe(true);
  });

  test('are all there for brokers, whoever bears their name', () => {
    const { authorizer } = setup([]);
    expect(authorizer.rightsOf(BROKER, 'h').may(read, topic, 't')).toBe(true);
    const impostor = new Principal(BROKER.type, BROKER.name);
    expect(authorizer.rightsOf(impostor, 'h').may(read, topic, 't')).toBe(false);
  });

  test('are all there for super users, even against a rule', () => {
    const { authorizer } = setup([
      rule({
        principal: 'User:*',
        permissionType: AclPermission.deny,
        operation: AclOperation.all,
      }),
    ]);
    const root = authorizer.rightsOf(new Principal('User', 'CN=x,O=y'), 'h');
    expect([root.may(read, topic, 't'), root.mayOnAny(write, topic)]).toEqual([true, true]);
  });

  test('of a rule for an IPv6 address hold however it is written', () => {
    const { authorizer } = setup([rule({ host: '::1' })]);
    expect(authorizer.rightsOf(alice, '0:0:0:0:0:0:0:1').may(read, topic, 't')).toBe(true);
    expect(authorizer.rightsOf(alice, '::1').may(read, topic, 't')).toBe(true);
    expect(authorizer.rightsOf(alice, '::2').may(read, topic, 't')).toBe(false);
  });

  test('name the rule that has decided', () => {
    const { authorizer } = setup([
      rule({ principal: 'User:bob' }),
      rule({ operation: AclOperation.all }),
    ]);
    const reason = (name: string, user: string) =>
      authorizer.reason(authorizer.rightsOf(new Principal('User', user), 'h'), read, topic, name);
    expect(reason('t', 'alice')).toBe('Allow User:alice from * to All Topic:Literal:t');
    expect(reason('t', 'carol')).toBe('DefaultDeny');
    expect(reason('t', 'root')).toBe('SuperUser');
  });
});

test('super users are principals', () => {
  expect([...parseSuperUsers('User:a ;;User:b,c')]).toEqual(['User:a', 'User:b,c']);
  expect(() => parseSuperUsers('alice')).toThrow(/"alice" is no principal/);
});

describe('the audit log', () => {
  function audited(rules: Acl[] = [rule()]) {
    const lines: { level: string; fields: Readonly<Record<string, unknown>> }[] = [];
    const log =
      (level: string) =>
      (_: string, fields: Readonly<Record<string, unknown>> = {}): void => {
        lines.push({ level, fields });
      };
    const clock = new ManualClock();
    const { authorizer } = setup(rules);
    const audit = new AuditLog({ ...silentLogger, info: log('info'), debug: log('debug') }, clock);
    const access = new AccessControl(authorizer, audit);
    const session = { principal: alice, clientHost: '10.0.0.9', rights: null };
    const may = (operation: number, name: string, isTold = true): boolean =>
      access.may(session, operation, topic, name, 'Produce', isTold);
    return { lines, clock, access, may };
  }

  test('tells who is denied what, from where and by which rule', () => {
    const { lines, may } = audited();
    expect(may(write, 't')).toBe(false);
    expect(lines.filter(({ level }) => level === 'info')).toEqual([
      {
        level: 'info',
        fields: {
          'user.name': 'User:alice',
          'client.address': '10.0.0.9',
          'kafka.api': 'Produce',
          'weir.acl.operation': 'Write',
          'weir.acl.resource': 'Topic:t',
          'event.outcome': 'failure',
          'weir.acl.rule': 'DefaultDeny',
          'weir.acl.repeated': 0,
        },
      },
    ]);
  });

  test('tells one and the same denial once a minute, and how often it came', () => {
    const { lines, clock, access, may } = audited();
    for (let i = 0; i < 1000; i++) may(write, 't');
    expect([lines.filter(({ level }) => level === 'info').length, access.denied]).toEqual([
      1, 1000,
    ]);
    clock.advance(60_000);
    may(write, 't');
    expect(lines.at(-1)?.fields['weir.acl.repeated']).toBe(999);
    expect(access.audit.untold).toBe(999);
  });

  test('is bounded however many denials differ', () => {
    const { lines, clock, may } = audited();
    for (let i = 0; i < 5000; i++) may(write, `t${i}`);
    expect(lines.length).toBe(100);
    clock.advance(10_000);
    for (let i = 0; i < 5000; i++) may(write, `u${i}`);
    expect(lines.length).toBe(200);
  });

  test('tells of a denial however much was allowed just before', () => {
    const { lines, may } = audited([rule({ resourceName: '*' })]);
    for (let i = 0; i < 5000; i++) expect(may(read, `t${i}`)).toBe(true);
    expect(may(write, 'secret')).toBe(false);
    const denials = lines.filter(({ level }) => level === 'info');
    expect(denials.map(({ fields }) => fields['weir.acl.resource'])).toEqual(['Topic:secret']);
    expect(lines.length).toBe(101);
  });

  test('tells at debug what is allowed, once, and nothing of what was only looked up', () => {
    const { lines, may } = audited();
    for (let i = 0; i < 10; i++) may(read, 't');
    expect(may(write, 'other', false)).toBe(false);
    expect(lines.map(({ level, fields }) => [level, fields['weir.acl.operation']])).toEqual([
      ['debug', 'Read,Describe'],
    ]);
  });
});
