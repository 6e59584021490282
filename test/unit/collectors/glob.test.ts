import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeFileSystem } from '../../../src/collectors/files/file-system.ts';
import { expandBraces, Glob } from '../../../src/collectors/files/glob.ts';

let root = '';
beforeAll(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-glob-'));
  for (const name of [
    'a.log',
    'b.log',
    'c.txt',
    '.hidden.log',
    'x/d.log',
    'x/y/e.log',
    'x/.z/f.log',
    'x+y/g[1].log',
  ]) {
    fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    fs.writeFileSync(path.join(root, name), '');
  }
});
afterAll(() => fs.rmSync(root, { recursive: true }));

describe('Glob', () => {
  it.each([
    ['*.log', ['a.log', 'b.log']],
    ['?.log', ['a.log', 'b.log']],
    ['[!a].log', ['b.log']],
    ['[a-b].{log,txt}', ['a.log', 'b.log']],
    ['{a.log,c.txt}', ['a.log', 'c.txt']],
    ['.*.log', ['.hidden.log']],
    ['**/*.log', ['a.log', 'b.log', 'x/d.log', 'x/y/e.log', 'x+y/g[1].log']],
    ['x/**', ['x/d.log', 'x/y/e.log']],
    ['x+y/*', ['x+y/g[1].log']],
    ['*/*.log', ['x/d.log', 'x+y/g[1].log']],
    ['absent/*', []],
  ])('expands %s', (pattern, expected) => {
    const glob = new Glob(path.join(root, pattern));
    const found = [...glob.expand(nodeFileSystem)].map((name) => path.relative(root, name));
    const files = found.filter(
      (name) => fs.existsSync(path.join(root, name)) && fs.statSync(path.join(root, name)).isFile(),
    );
    expect(files.sort()).toEqual([...expected].sort());
    for (const name of expected) expect(glob.matches(path.join(root, name))).toBe(true);
    expect(glob.matches(path.join(root, 'other'))).toBe(false);
  });

  it('expands braces within braces', () => {
    expect(expandBraces('/a/{b,c{d,e}}/f')).toEqual(['/a/b/f', '/a/cd/f', '/a/ce/f']);
    expect(expandBraces('/a/{b')).toEqual(['/a/{b']);
  });
});
