import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDataDirectory } from '../../../src/base/data-directory.ts';
import { FatalError } from '../../../src/base/errors.ts';
import { root } from '../../support/weir-process.ts';

let parent: string;
let folder: string;
let lock: string;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'weir-data-'));
  folder = join(parent, 'a', 'data');
  lock = join(folder, 'weir.lock');
});

afterEach(() => {
  rmSync(parent, { recursive: true });
});

describe('the data folder', () => {
  it('is made for its owner only', () => {
    openDataDirectory(folder).release();
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  it('is refused at once where none can be made', () => {
    // In a process of its own: what fails here may be that it never ends.
    const module = JSON.stringify(join(root, 'src/base/data-directory.ts'));
    const script = `const { openDataDirectory } = await import(${module});
      for (const folder of ['/proc/weir', '/proc/weir/data', '/dev/null/data']) {
        try { openDataDirectory(folder); } catch (error) { console.log(error.message); }
      }`;
    const argv = ['--input-type=module', '--eval', script];
    const { stdout } = spawnSync(process.execPath, argv, { timeout: 10_000, encoding: 'utf8' });
    expect(stdout.trim().split('\n')).toEqual([
      expect.stringContaining("can't use the data folder /proc/weir: ENOENT"),
      expect.stringContaining("can't use the data folder /proc/weir/data: ENOENT"),
      expect.stringContaining("can't use the data folder /dev/null/data: ENOTDIR"),
    ]);
  });

  it('is refused where a file has its name', () => {
    writeFileSync(join(parent, 'a'), '');
    expect(() => openDataDirectory(join(parent, 'a'))).toThrow(`can't use the data folder`);
    expect(() => openDataDirectory(folder)).toThrow(`can't use the data folder`);
  });

  it('is used by one process at a time, and named in the message', () => {
    const first = openDataDirectory(folder);
    expect(() => openDataDirectory(folder)).toThrow(FatalError);
    expect(() => openDataDirectory(folder)).toThrow(
      `the data folder ${folder} is in use by process ${process.pid}`,
    );
    first.release();
    first.release();
    openDataDirectory(folder).release();
  });

  it('is taken over from a process that was killed', async () => {
    const child = spawn('sleep', ['0'], { stdio: 'ignore' });
    await new Promise((resolve) => child.once('exit', resolve));
    openDataDirectory(folder).release();
    writeFileSync(lock, JSON.stringify({ pid: child.pid, started: '' }));
    openDataDirectory(folder).release();
  });

  it('is taken over when the process id was given to another one since', () => {
    openDataDirectory(folder).release();
    writeFileSync(lock, JSON.stringify({ pid: process.pid, started: 'another-boot/1' }));
    const taken = openDataDirectory(folder);
    expect(readFileSync(lock, 'utf8')).not.toContain('another-boot');
    taken.release();
  });

  it('is taken over when a crash cut the lock short', () => {
    openDataDirectory(folder).release();
    writeFileSync(lock, '{"pi');
    openDataDirectory(folder).release();
  });

  it('that is no folder says so', () => {
    const file = join(parent, 'file');
    writeFileSync(file, '');
    expect(() => openDataDirectory(file)).toThrow(/can't use the data folder .*choose another/);
  });

  it('notices that its lock went with the disk, and takes one in the next', () => {
    const path = join(folder, 'data');
    const first = openDataDirectory(path);
    expect(first.isHeld()).toBe(true);
    rmSync(path, { recursive: true });
    expect(first.isHeld()).toBe(false);
    const second = openDataDirectory(path);
    expect(second.isHeld()).toBe(true);
    second.release();
    expect(second.isHeld()).toBe(false);
  });
});
