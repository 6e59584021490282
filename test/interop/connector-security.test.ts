/** The connector against an Elasticsearch with TLS and users. (API keys need a module that the test distribution lacks.) */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { systemRandom } from '../../src/base/random.ts';
import { DeadLetters } from '../../src/connectors/dead-letters.ts';
import { ElasticsearchDestination } from '../../src/connectors/elasticsearch/elasticsearch-destination.ts';
import { readElasticsearchSettings } from '../../src/connectors/elasticsearch/settings.ts';
import { SinkTask } from '../../src/connectors/sink-task.ts';
import { startElasticsearch } from '../peers/elasticsearch.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { showPeersOnFailure } from '../peers/on-failure.ts';
import { mustRun, needProgram, sleep, temporaryDirectory } from '../peers/peer.ts';
import type { SearchServer } from '../peers/search-server.ts';
import { MemoryLetters, MemoryLog, MemorySource } from '../unit/connectors/memory-log.ts';

/** bcrypt of the password below. */
const HASH = '$2a$10$GO.uEaFGR02mwUvmk4A.r.oQJiCKqO7J89kE5gWpgXqchsrdKK2/6';
const PASSWORD = 'weir-secret';

const ROLES = `
writer:
  indices:
    - names: ['logs-*']
      privileges: ['create_doc', 'auto_configure']
`;

showPeersOnFailure();

let server: SearchServer;
let ca: string;
let stops: (() => Promise<void>)[] = [];

beforeAll(async () => {
  const directory = temporaryDirectory('certificate');
  const [key, certificate] = [path.join(directory, 'key.pem'), path.join(directory, 'cert.pem')];
  await mustRun(needProgram('openssl', 'openssl'), [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=weir-test'],
    ...['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', certificate],
  ]);
  ca = fs.readFileSync(certificate, 'utf8');
  server = await startElasticsearch({
    access: { user: 'admin', password: PASSWORD, ca },
    settings: {
      'xpack.security.enabled': true,
      'xpack.security.http.ssl.enabled': true,
      'xpack.security.http.ssl.key': 'http-key.pem',
      'xpack.security.http.ssl.certificate': 'http-cert.pem',
    },
    files: {
      'http-key.pem': fs.readFileSync(key, 'utf8'),
      'http-cert.pem': ca,
      users: `admin:${HASH}\nwriter:${HASH}\n`,
      users_roles: 'superuser:admin\nwriter:writer\n',
      'roles.yml': ROLES,
    },
  });
});
afterAll(async () => {
  for (const stop of stops) await stop();
  stops = [];
  await server?.stop();
});

async function start(
  index: string,
  config: Record<string, string>,
  trusted: string | null = ca,
): Promise<{ task: SinkTask; log: MemoryLog }> {
  const log = new MemoryLog(1);
  log.append(
    0,
    Array.from({ length: 100 }, (_, n) => ({ value: `{"@timestamp":${n},"message":"line ${n}"}` })),
  );
  const settings = readElasticsearchSettings(
    { 'connection.url': server.url, index, 'linger.ms': '10', ...config },
    trusted,
  );
  const seams = { clock: systemClock, random: systemRandom, logger: silentLogger };
  const task = new SinkTask(
    {
      ...settings,
      connector: 'es',
      task: 0,
      destinationClass: 'Elasticsearch',
      commitIntervalMs: 20,
    },
    new MemorySource(log),
    new ElasticsearchDestination(settings, seams),
    new DeadLetters('dead-letters', new MemoryLetters(), seams),
    seams,
  );
  await task.start();
  stops.push(() => task.stop());
  return { task, log };
}

const eventually = async (what: string, condition: () => boolean): Promise<void> => {
  for (let i = 0; i < 600; i++) {
    if (condition()) return;
    await sleep(50);
  }
  throw new Error(`never: ${what}`);
};

async function expectDelivered(index: string, log: MemoryLog): Promise<void> {
  await eventually('everything is committed', () => log.committed[0] === 100);
  await server.call('POST', `/${index}/_refresh`);
  expect((await server.call('GET', `/${index}/_count`)).body.count).toBe(100);
}

const login = (user: string, password = PASSWORD): Record<string, string> => ({
  'connection.username': user,
  'connection.password': password,
});

describeWithPeers(
  ['elasticsearch', 'openssl'],
  'connector to an Elasticsearch with security',
  () => {
    it('delivers with user and password over TLS', async () => {
      const { log } = await start('logs-weir-basic', login('admin'));
      await expectDelivered('logs-weir-basic', log);
    });

    it('delivers compressed requests', async () => {
      const config = { ...login('admin'), 'connection.compression': 'true' };
      const { log } = await start('logs-weir-gzip', config);
      await expectDelivered('logs-weir-gzip', log);
    });

    it('delivers as a user who may do nothing but write', async () => {
      const { log } = await start('logs-weir-writer', login('writer'));
      await expectDelivered('logs-weir-writer', log);
    });

    it('fails with the reason on a wrong password, and loses nothing', async () => {
      const { task, log } = await start('logs-weir-wrong', login('admin', 'guessed'));
      await eventually('FAILED', () => task.state === 'FAILED');
      expect(task.light).toBe('red');
      expect(task.fault).toContain('401');
      expect(log.committed).toEqual([0]);
    });

    it('sends nothing to a server whose certificate it does not trust', async () => {
      const { task, log } = await start('logs-weir-untrusted', login('admin'), null);
      await eventually('a fault', () => task.fault !== '');
      expect(task.fault).toMatch(/certificate/i);
      expect(task.light).toBe('red');
      expect(log.committed).toEqual([0]);
    });
  },
);
