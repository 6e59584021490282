import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { nodeDisk } from '../../../src/base/node-disk.ts';
import { nodeTransport } from '../../../src/base/node-transport.ts';
import { systemRandom } from '../../../src/base/random.ts';
import { CollectorsRole } from '../../../src/collectors/collectors-role.ts';
import { collectorDefaults } from '../../../src/collectors/settings.ts';
import { metricNames } from '../../../src/observe/catalogue.ts';
import { MetricsRegistry } from '../../../src/observe/registry.ts';
import { freePort } from '../../peers/peer.ts';
import { memorySinks } from './support/memory-sink.ts';

const port = await freePort();
let root = '';
let role: CollectorsRole;
let isReleased = false;

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-role-'));
  fs.writeFileSync(path.join(root, 'a.log'), 'from a file\n');
  isReleased = false;
  const { syslog, files, scrape } = collectorDefaults;
  role = new CollectorsRole({
    settings: {
      ...collectorDefaults,
      syslog: { ...syslog, port },
      files: { ...files, paths: [path.join(root, '*.log')], pollMs: 10 },
      scrape: { ...scrape, targets: ['http://127.0.0.1:1/metrics'], intervalMs: 50 },
    },
    dataDir: path.join(root, 'data'),
    sinks: memorySinks().factory,
    transport: nodeTransport,
    disk: nodeDisk,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    registry: new MetricsRegistry(),
    release: () => {
      isReleased = true;
    },
  });
});
afterEach(async () => {
  await role.stop();
  fs.rmSync(root, { recursive: true });
});

it('starts its collectors, shows their books, and stops', async () => {
  await role.start();
  await expect
    .poll(() => role.metrics())
    .toContain('weir_collector_stored_total{collector="files"} 1');
  await expect
    .poll(() => role.metrics())
    .toMatch(/weir_collector_stored_total\{collector="scrape"\} [1-9]/);
  const names = [...(await role.metrics()).matchAll(/^# TYPE (\S+)/gm)].map(
    (match) => match[1] ?? '',
  );
  expect(names.length).toBeGreaterThan(5);
  expect(names.filter((name) => !metricNames.has(name))).toEqual([]);
  // An alert on an increase needs the series before its first event.
  for (const series of [
    'dropped_total{collector="syslog",reason="buffer_full"}',
    'rejected_total{collector="files",reason="too_large"}',
  ]) {
    expect(await role.metrics()).toContain(`weir_collector_${series} 0`);
  }
  await role.stop();
  await role.stop();
  expect(isReleased).toBe(true);
});

it('shows the worst light and every reason', async () => {
  const taken = net.createServer();
  await new Promise<void>((resolve) => taken.listen(port, '127.0.0.1', resolve));
  await role.start();
  await expect.poll(() => role.status().reason).toContain('scrape: http://127.0.0.1:1/metrics');
  expect(role.status()).toMatchObject({
    light: 'yellow',
    reason: expect.stringContaining(`syslog: TCP 127.0.0.1:${port}: the port is taken`) as unknown,
    details: { files: { light: 'green' } },
  });
  await new Promise((resolve) => taken.close(resolve));
});
