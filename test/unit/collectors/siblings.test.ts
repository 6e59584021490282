import { expect, it } from 'vitest';
import { nodeFileSystem } from '../../../src/collectors/files/file-system.ts';
import { isNumberedName, Siblings, withoutNumber } from '../../../src/collectors/files/siblings.ts';

it.each([
  ['app.log.1', true],
  ['app.log.12.gz', true],
  ['app.log-20261130', true],
  ['app.log-20261130-1764460800.zst', true],
  ['app.log.2026-11-30T10:00', true],
  ['app-20261130.log', true],
  ['app.2026-11-30.log', true],
  ['app.log', false],
  ['app.log.gz', false],
  ['app.log.bak', false],
  ['app.log.1.bak', false],
  // Of other logs, it may be.
  ['app-2.log', false],
  ['app.2.log', false],
  ['app.log-2', false],
  ['application.log', false],
  ['other.log.1', false],
])('%s is a number of app.log: %s', (name, is) => {
  expect(isNumberedName(name, 'app.log')).toBe(is);
});

it.each([
  ['/a/app.log.1', '/a/app.log'],
  ['/a/app.log-20261130', '/a/app.log'],
  ['/a/app.log', '/a/app.log'],
  ['/a/host-2', '/a/host-2'],
  ['/a/0.log', '/a/0.log'],
  ['/a/.1', '/a/.1'],
])('the name of %s without number is %s', (path, name) => {
  expect(withoutNumber(path)).toBe(name);
});

it('looks at a folder once, and at each name of a rotation once', () => {
  const looks: string[] = [];
  const names = ['b.log', 'a.log.1', 'a.log', 'a.logs', 'a-2.log', 'a', 'a.log.d', 'ab.log'];
  const siblings = new Siblings({
    ...nodeFileSystem,
    list: (folder) => {
      looks.push(folder);
      return names.map((name) => ({ name, isFolder: name.endsWith('.d') }));
    },
    stat: (path) => {
      looks.push(path);
      return { key: path, size: 0, modifiedMs: 0, isFile: true };
    },
  });
  const found = (path: string): string[] => Array.from(siblings.beside(path), (it) => it.path);
  const all = ['/x/a-2.log', '/x/a.log', '/x/a.log.1', '/x/a.logs'];
  expect(found('/x/a.log')).toEqual(all);
  expect(found('/x/a.log.7')).toEqual(all);
  expect(looks).toEqual(['/x', ...all]);
  siblings.renew();
  expect(found('/x/b.log')).toEqual(['/x/b.log']);
  expect(looks.slice(5)).toEqual(['/x', '/x/b.log']);
});
