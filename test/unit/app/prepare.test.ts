import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { root, WeirProcess } from '../../support/weir-process.ts';

let cache: string;

beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'weir-compiled-'));
});

afterEach(() => rmSync(cache, { recursive: true }));

/** As npm runs it at the end of an installation. */
const prepare = (more: Readonly<Record<string, string>> = {}) =>
  spawnSync(process.execPath, [join(root, 'src/prepare.mjs')], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, NODE_COMPILE_CACHE: cache, npm_command: 'ci', ...more },
  });

const compiled = (): string[] => readdirSync(cache, { recursive: true, encoding: 'utf8' }).sort();

it('an installation compiles all that a first start loads', async () => {
  const { status, stderr } = prepare();
  expect([status, stderr]).toEqual([0, '']);
  const before = compiled();
  expect(before.length).toBeGreaterThan(100);
  const weir = await WeirProcess.start({ env: { NODE_COMPILE_CACHE: cache } });
  await weir.stop();
  expect(compiled().filter((file) => !before.includes(file))).toEqual([]);
});

it('an installation goes on where the appliance can’t be started, and says why', () => {
  const { status, stderr } = prepare({ TMPDIR: join(cache, 'missing') });
  expect(status).toBe(0);
  expect(stderr).toContain('could not be started ahead');
  expect(stderr).toContain('ENOENT');
});

it('an installation leaves nothing behind but what it compiled', () => {
  const temporary = join(cache, 'temporary');
  mkdirSync(temporary);
  expect(prepare({ TMPDIR: temporary }).status).toBe(0);
  expect(readdirSync(temporary)).toEqual([]);
});
