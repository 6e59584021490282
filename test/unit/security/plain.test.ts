import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { OperatingError } from '../../../src/base/errors.ts';
import { Passwords } from '../../../src/security/sasl/plain-server.ts';
import {
  credentialOf,
  ITERATIONS_MAX,
  saltedPassword,
  scramMechanisms,
} from '../../../src/security/sasl/scram.ts';

const [, SHA_512] = scramMechanisms;
const salt = Buffer.from('0123456789abcdefghijklmnop');
const salted = await saltedPassword(SHA_512!, 'right', salt, ITERATIONS_MAX);
const credential = credentialOf(SHA_512!, salted, salt, ITERATIONS_MAX);
const users = {
  find: (mechanism: unknown, name: string) =>
    mechanism === SHA_512 && name === 'carol' ? credential : undefined,
  typicalIterations: ITERATIONS_MAX,
  isEmpty: false,
};
const passwords = () => new Passwords(new Map(), users, Buffer.from('key'));

describe('passwords of the cluster', () => {
  it('leave threads for the disk, however many are checked', async () => {
    const checked = passwords();
    let done = 0;
    const checks = Array.from({ length: 40 }, async () => {
      expect(await checked.check('nobody', 'wrong')).toBe(false);
      done += 1;
    });
    await readFile(import.meta.filename);
    expect(done).toBeLessThan(10);
    await Promise.all(checks);
    expect(await checked.check('carol', 'right')).toBe(true);
  });

  it('are refused when very many are being checked', async () => {
    const checked = passwords();
    const checks = Array.from({ length: 70 }, () => checked.check('nobody', 'wrong'));
    const outcomes = await Promise.allSettled(checks);
    const refused = outcomes.filter(({ status }) => status === 'rejected');
    expect(refused).toHaveLength(6);
    expect(refused[0]).toMatchObject({ reason: expect.any(OperatingError) });
  });
});
