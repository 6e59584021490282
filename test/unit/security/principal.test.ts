import { describe, expect, test } from 'vitest';
import { ANONYMOUS, Principal, parsePrincipal } from '../../../src/security/principal.ts';

describe('principals', () => {
  test('who has not authenticated is User:ANONYMOUS', () => {
    expect(ANONYMOUS.toString()).toBe('User:ANONYMOUS');
  });

  test.each(['User:alice', 'User:', ':alice', 'User:CN=a:b,O=c', 'Group:ops'])(
    '%s is read back as it is written',
    (text) => {
      const principal = parsePrincipal(text);
      expect(principal).toEqual(
        new Principal(text.split(':')[0]!, text.slice(text.indexOf(':') + 1)),
      );
      expect(principal?.text).toBe(text);
    },
  );

  test.each(['', 'alice', 'User'])('"%s" is no principal', (text) => {
    expect(parsePrincipal(text)).toBeNull();
  });
});
