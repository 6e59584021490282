/**
 * Rights and quotas beside Apache Kafka's: the same ACLs, quotas and requests to both, and the answers
 * field by field; then Kafka's own tools and clients on our broker, and ours on both.
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWithPeers } from '../peers/gate.ts';
import { type Kafka, kafkaTool, startKafka } from '../peers/kafka.ts';
import { runTool } from '../peers/peer.ts';
import { STANDARD_AUTHORIZER } from '../support/refusals.ts';
import { root } from '../support/weir-process.ts';
import { type RunningBroker, startBroker } from '../unit/broker/fixture.ts';
import * as acls from './differential/acls.ts';
import { differences } from './differential/differences.ts';
import * as sasl from './differential/sasl.ts';
import { Side } from './differential/side.ts';

const MAIN = path.join(root, 'src/main.ts');
const ACLS = 'org.apache.kafka.tools.AclCommand';
const CONFIGS = 'kafka.admin.ConfigCommand';
const PRODUCER = 'org.apache.kafka.tools.ConsoleProducer';
const CONSUMER = 'org.apache.kafka.tools.consumer.ConsoleConsumer';

/** Of both brokers. */
const settings = {
  'offsets.topic.num.partitions': 1,
  'authorizer.class.name': STANDARD_AUTHORIZER,
  'allow.everyone.if.no.acl.found': true,
  'sasl.server.max.receive.size': sasl.RECEIVE_BYTES_MAX,
  'connection.failed.authentication.delay.ms': 10,
};

const MODULES = 'org.apache.kafka.common.security';
const SCRAM = `${MODULES}.scram.ScramLoginModule required;`;
/** Of the listener that asks clients who they are. */
const login = {
  'listener.name.login.plain.sasl.jaas.config': `${MODULES}.plain.PlainLoginModule required ${sasl.PLAIN_USERS};`,
  'listener.name.login.scram-sha-256.sasl.jaas.config': SCRAM,
  'listener.name.login.scram-sha-512.sasl.jaas.config': SCRAM,
};
const MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'];

describeWithPeers(['kafka'], 'rights and quotas on Apache Kafka and on ours', () => {
  let kafka: Kafka;
  let running: RunningBroker;
  let sides: Side[];
  /** The same brokers by their listener LOGIN. */
  let asking: Side[];
  let bootstrap: string;
  beforeAll(async () => {
    kafka = await startKafka({
      listeners: { LOGIN: 'SASL_PLAINTEXT' },
      properties: {
        ...settings,
        ...login,
        'listener.name.login.sasl.enabled.mechanisms': MECHANISMS.join(','),
      },
    });
    running = await startBroker({
      ...settings,
      ...login,
      listeners: ['PLAINTEXT://127.0.0.1:0', 'LOGIN://127.0.0.1:0'],
      'listener.security.protocol.map': ['PLAINTEXT:PLAINTEXT', 'LOGIN:SASL_PLAINTEXT'],
      'listener.name.login.sasl.enabled.mechanisms': MECHANISMS,
      'node.id': 1,
    });
    bootstrap = `127.0.0.1:${running.port}`;
    const base = Date.now();
    sides = [
      new Side('Kafka', Number(kafka.bootstrap.split(':')[1]), base),
      new Side('we', running.port, base),
    ];
    const portOf = (address: string): number => Number(address.split(':')[1]);
    asking = [
      new Side('Kafka', portOf(kafka.listeners['LOGIN']!), base),
      new Side('we', running.broker.listeners[1]!.port, base),
    ];
    for (const side of sides) {
      const { clusterId } = await side.quietly('Metadata', 5, { topics: [] });
      side.alias(clusterId, 'cluster');
    }
  });
  afterAll(async () => {
    for (const side of sides ?? []) side.close();
    await running?.stop();
    await kafka?.stop();
  });

  const alike = async (
    title: string,
    scene: (side: Side) => Promise<void>,
    asked = sides,
  ): Promise<void> => {
    for (const side of asked) side.entries = [];
    await Promise.all(asked.map(scene));
    const found = differences(asked[0]!.entries, asked[1]!.entries);
    const report = process.env['WEIR_DIFFERENCES'];
    if (report !== undefined) fs.appendFileSync(report, `# ${title}\n${found.join('\n')}\n`);
    expect(found).toEqual([]);
  };

  it('ACLs are set, found, removed and refused alike', () => alike('acls', acls.acls));
  it('quotas are set, found, removed and refused alike', () => alike('quotas', acls.quotas));

  it('users are made, found, removed and refused alike', () => alike('users', sasl.users));
  it('clients say who they are, or are cut off, alike', () =>
    alike('exchanges', sasl.exchanges, asking));
  it('frames of strangers are taken or not alike', () => alike('frames', sasl.frames, asking));
  it('proofs of SCRAM are taken or not alike', () => alike('scram', sasl.scram, asking));

  const weir = async (at: string, ...args: string[]) => {
    const all = [MAIN, ...args, '--bootstrap-server', at];
    return runTool(process.execPath, all, { timeoutMs: 60_000 });
  };

  it('the command line does the same to both', async () => {
    for (const at of [kafka.bootstrap, bootstrap]) {
      const ok = async (...args: string[]): Promise<any> => {
        const { code, stdout, stderr } = await weir(at, ...args);
        expect(code, stderr).toBe(0);
        return args.includes('--json') ? JSON.parse(stdout) : stdout;
      };
      const alice = ['--allow-principal', 'User:cli'];
      await ok('acl', 'add', ...alice, '--consumer', '--topic', 'cli', '--group', 'cli');
      const prefixed = ['--topic', 'cli', '--resource-pattern-type', 'prefixed'];
      await ok('acl', 'add', '--deny-principal', 'User:cli', '--operation', 'write', ...prefixed);
      const listed = await ok('acl', 'list', '--principal', 'User:cli', '--json');
      expect(listed.map((row: any) => Object.values(row).join(' '))).toEqual([
        'Group cli Literal User:cli * Read Allow',
        'Topic cli Literal User:cli * Describe Allow',
        'Topic cli Literal User:cli * Read Allow',
        'Topic cli Prefixed User:cli * Write Deny',
      ]);
      const some = ['--topic', 'client', '--resource-pattern-type', 'match'];
      expect(await ok('acl', 'list', ...some)).toMatch(/^Topic +cli +Prefixed/m);
      await ok('acl', 'remove', ...alice, '--operation', 'Describe', '--topic', 'cli');
      expect(await ok('acl', 'list', '--topic', 'cli', '--json')).toHaveLength(1);
      await ok('acl', 'remove', '--topic', 'cli', '--group', 'cli');
      await ok('acl', 'remove', ...prefixed);
      expect(await ok('acl', 'list', '--principal', 'User:cli', '--json')).toEqual([]);
      await ok('quota', 'set', 'producer_byte_rate=1e9', '--user', 'cli', '--client-defaults');
      await ok('quota', 'set', 'connection_creation_rate=1000', '--ip', '10.9.9.9');
      expect(await ok('quota', 'list', '--user', 'cli', '--json')).toEqual([
        { user: 'cli', client: '<default>', ip: null, quota: 'producer_byte_rate', value: 1e9 },
      ]);
      await ok('quota', 'remove', 'producer_byte_rate', '--user', 'cli', '--client-defaults');
      await ok('quota', 'remove', 'connection_creation_rate', '--ip', '10.9.9.9');
      expect(await ok('quota', 'list', '--json')).toEqual([]);
      const wrong = await weir(at, 'quota', 'set', 'nonsense=1', '--user', 'cli');
      expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('nonsense')]);
      const nobody = await weir(at, 'acl', 'add', '--topic', 'cli');
      expect([nobody.code, nobody.stderr]).toEqual([2, expect.stringContaining('who?')]);
    }
  });

  const tool = async (name: string, args: string[], stdin = ''): Promise<string> => {
    const { code, stdout, stderr } = await kafkaTool(name, args, { stdin, timeoutMs: 120_000 });
    expect(code === 0 ? '' : `${stdout}\n${stderr}`).toBe('');
    return stdout;
  };
  const admin = (name: string, ...args: string[]): Promise<string> =>
    tool(name, ['--bootstrap-server', bootstrap, ...args]);

  it('AclCommand adds, lists and removes', async () => {
    const some = ['--topic', 'tool', '--resource-pattern-type', 'prefixed'];
    await admin(ACLS, '--add', '--allow-principal', 'User:tool', '--producer', ...some);
    const listed = await admin(ACLS, '--list', ...some);
    expect(listed).toContain(
      'ResourcePattern(resourceType=TOPIC, name=tool, patternType=PREFIXED)',
    );
    expect(listed).toContain(
      '(principal=User:tool, host=*, operation=WRITE, permissionType=ALLOW)',
    );
    await admin(ACLS, '--remove', '--force', ...some);
    expect(await admin(ACLS, '--list', ...some)).not.toContain('User:tool');
  });

  it('ConfigCommand sets, describes and removes quotas of users, clients and addresses', async () => {
    const entities = [
      [['users', 'tool'], 'producer_byte_rate=1000000000'],
      [['clients', 'tool'], 'request_percentage=1000.0'],
      [['ips', '10.9.9.8'], 'connection_creation_rate=1000'],
    ] as const;
    for (const [[type, name], quota] of entities) {
      const entity = ['--entity-type', type, '--entity-name', name];
      await admin(CONFIGS, '--alter', ...entity, '--add-config', quota);
      const described = await admin(CONFIGS, '--describe', ...entity);
      expect(described).toContain(quota.split('=')[0]);
      await admin(CONFIGS, '--alter', ...entity, '--delete-config', quota.split('=')[0]!);
    }
    expect(JSON.parse((await weir(bootstrap, 'quota', 'list', '--json')).stdout)).toEqual([]);
  });

  it('Java’s clients are told what they lack', async () => {
    await sides[1]!.makeTopic('secret');
    const deny = ['--deny-principal', 'User:ANONYMOUS', '--operation'];
    await admin(ACLS, '--add', ...deny, 'Read', ...deny.slice(2), 'Write', '--topic', 'secret');
    const denied = async (name: string, args: string[], stdin: string): Promise<string> => {
      const all = ['--bootstrap-server', bootstrap, '--topic', 'secret', ...args];
      const { stdout, stderr } = await kafkaTool(name, all, { stdin, timeoutMs: 60_000 });
      return `${stdout}${stderr}`;
    };
    const words = 'Not authorized to access topics: [secret]';
    expect(await denied(PRODUCER, [], 'x\n')).toContain(words);
    expect(await denied(CONSUMER, ['--from-beginning', '--timeout-ms', '10000'], '')).toContain(
      words,
    );
    await admin(ACLS, '--remove', '--force', '--topic', 'secret');
  });

  it('clients without any right are refused alike by each API', async () => {
    const ranges = await acls.rangesOf(sides);
    await alike('refused', (side) => acls.refused(side, ranges));
  });
});
