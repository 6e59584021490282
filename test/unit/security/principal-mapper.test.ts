import { describe, expect, it } from 'vitest';
import { FatalError } from '../../../src/base/errors.ts';
import { principalMapper } from '../../../src/security/principal-mapper.ts';

const SERVICE = 'CN=serviceuser,OU=ServiceUsers,O=Unknown,L=Unknown,ST=Unknown,C=Unknown';
const ADMIN = 'CN=adminUser,OU=Admin,O=Unknown,L=Unknown,ST=Unknown,C=Unknown';

describe('rules for the names in certificates', () => {
  it.each([
    ['DEFAULT', SERVICE, SERVICE],
    ['RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/', SERVICE, 'serviceuser'],
    ['RULE:^CN=(.*?),OU=ServiceUsers.*$/$1@$2/', SERVICE, 'serviceuser@$2'],
    ['RULE:^CN=(.*?),OU=(.*?),.*$/$12/', SERVICE, 'serviceuser2'],
    ['RULE:^CN=([^,]*),.*$/$1/L, DEFAULT', ADMIN, 'adminuser'],
    ['RULE:^CN=([^,]*),.*$/$1/U', ADMIN, 'ADMINUSER'],
    ['RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/,RULE:^.*OU=(.*?),.*$/$1/', ADMIN, 'Admin'],
    ['RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/', ADMIN, null],
    ['RULE:^CN=(.*?)\\, (.*)$/$1\\/$2/', 'CN=a, b', 'a/b'],
    ['', SERVICE, null],
  ])('%s makes of %s', (rules, name, expected) => {
    expect(principalMapper(rules)(name)).toBe(expected);
  });

  it.each(['RULE:', 'RULE:a', 'RULE:(/x/', 'RULE:a/b/X', 'NOTHING', 'DEFAULT;DEFAULT'])(
    'are refused as %s',
    (rules) => {
      expect(() => principalMapper(rules)).toThrow(FatalError);
    },
  );
});
