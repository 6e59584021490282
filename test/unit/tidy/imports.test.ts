import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';

const root = path.resolve(import.meta.dirname, '../../..');
const planted: string[] = [];

/** Lints one planted file of `src/<folder>` under the project's own rules. */
function lint(folder: string, source: string): { code: number | null; output: string } {
  const directory = path.join(root, 'src', folder);
  const file = path.join(directory, `planted-${process.pid}-${planted.length}.ts`);
  mkdirSync(directory, { recursive: true });
  planted.push(file);
  writeFileSync(file, source);
  const run = spawnSync(process.execPath, ['node_modules/oxlint/bin/oxlint', file], {
    cwd: root,
    encoding: 'utf8',
  });
  return { code: run.status, output: run.stdout + run.stderr };
}

afterEach(() => {
  for (const file of planted.splice(0)) rmSync(file, { force: true });
});

const forbidden: [folder: string, specifier: string][] = [
  ['base', '../protocol/codec.ts'],
  ['protocol', '../log/partition-log.ts'],
  ['protocol', 'node:net'],
  ['log', '../cluster/partition.ts'],
  ['log', '../broker/broker.ts'],
  ['log', 'node:net'],
  ['log', 'node:fs'],
  ['cluster', '../coordinator/group.ts'],
  ['cluster', '../client/client.ts'],
  ['coordinator', '../broker/broker.ts'],
  ['broker', '../client/client.ts'],
  ['client', '../log/partition-log.ts'],
  ['client', '../broker/broker.ts'],
  ['collectors', '../log/partition-log.ts'],
  ['collectors', '../broker/broker.ts'],
  ['connectors', '../cluster/partition.ts'],
  ['connectors', '../collectors/collector.ts'],
  ['console', '../broker/broker.ts'],
  ['cli', '../broker/broker.ts'],
  ['observe', '../client/client.ts'],
  ['config', '../observe/registry.ts'],
  ['console', '../app.ts'],
  ['broker', 'fastify'],
  ['broker', 'prom-client'],
  ['collectors', 'winston'],
  ['collectors', '@elastic/elasticsearch'],
];

for (const [folder, specifier] of forbidden) {
  test(`${folder} must not import ${specifier}`, () => {
    const { code, output } = lint(folder, `import '${specifier}';\n`);
    expect(output).toContain('no-restricted-imports');
    expect(code).not.toBe(0);
  });
}

test('a permitted import passes', () => {
  expect(lint('broker', `import '../log/log-config.ts';\n`).code).toBe(0);
  expect(lint('cluster', `import '../client/connection.ts';\n`).code).toBe(0);
});

const sources = (folder: string): string[] =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('planted-'))
    .map((name) => path.join(folder, name));

test('time and chance come only through the injected seams', () => {
  const free = /^src\/(base|cli|console|collectors\/winston)\//;
  const banned =
    /\bDate\.now\(|\bMath\.random\(|\bsetTimeout\(|\bsetInterval\(|\bperformance\.now\(|\brandomUUID\(/;
  const found = sources('src')
    .filter((file) => !free.test(file) && file !== 'src/app.ts' && file !== 'src/main.ts')
    .filter((file) => banned.test(readFileSync(path.join(root, file), 'utf8')));
  expect(found).toEqual([]);
});
