/**
 * MirrorMaker 2 between Apache Kafka and Weir, in both directions at once: records with their keys, the
 * settings of topics, who may read them, and the offsets of groups, in terms of the copy. Into Weir it
 * writes exactly once.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Admin } from '../../src/client/admin.ts';
import { Client } from '../../src/client/client.ts';
import { Producer } from '../../src/client/producer.ts';
import { SecurityAdmin } from '../../src/client/security-admin.ts';
import {
  type Acl,
  AclOperation,
  AclPattern,
  AclPermission,
  AclResource,
} from '../../src/protocol/acl.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { type Kafka, startKafka, startKafkaServer } from '../peers/kafka.ts';
import { freePort, type PeerProcess } from '../peers/peer.ts';
import { readAll } from '../support/read-all.ts';
import { WeirProcess } from '../support/weir-process.ts';

const PARTITIONS = 2;
/** Of each partition, written at a time. */
const RECORDS = 100;
const RETENTION_MS = '123456789';
const GROUP = 'readers';
const PATIENCE = { timeout: 60_000, interval: 250 };

/** Of both clusters: nobody is asked who they are, and MirrorMaker may do what it needs to. */
const rights = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'super.users': 'User:ANONYMOUS',
};
const { allow, deny } = AclPermission;

/** One rule in few words; null where MirrorMaker makes no copy of it. */
const rules: readonly [
  principal: string,
  operation: number,
  permission: number,
  copied: number | null,
][] = [
  ['User:reader', AclOperation.read, allow, AclOperation.read],
  // Who may do everything may only read the copy: none but MirrorMaker writes it.
  ['User:owner', AclOperation.all, allow, AclOperation.read],
  ['User:writer', AclOperation.write, allow, null],
  ['User:guest', AclOperation.all, deny, AclOperation.all],
];

const ruleOf = (
  topic: string,
  principal: string,
  operation: number,
  permissionType: number,
): Acl => ({
  resourceType: AclResource.topic,
  resourceName: topic,
  patternType: AclPattern.literal,
  principal,
  host: '*',
  operation,
  permissionType,
});

/** A cluster with a topic that is copied to the other one. */
class Cluster {
  readonly name: string;
  readonly topic: string;
  readonly client: Client;
  readonly admin: Admin;
  readonly security: SecurityAdmin;
  #written = 0;

  constructor(name: string, bootstrap: string) {
    this.name = name;
    this.topic = `of-${name}`;
    this.client = new Client({ bootstrap, clientId: 'test' });
    this.admin = new Admin(this.client);
    this.security = new SecurityAdmin(this.client);
  }

  /** The name of its topic where it is copied to. */
  get copy(): string {
    return `${this.name}.${this.topic}`;
  }
  get values(): string[] {
    return Array.from({ length: this.#written }, (_, i) => `${this.name} ${i}`);
  }

  async prepare(): Promise<void> {
    const configs = { 'retention.ms': RETENTION_MS };
    const [created] = await this.admin.createTopics([
      { name: this.topic, partitions: PARTITIONS, configs },
    ]);
    expect(created?.error).toBeNull();
    await this.security.createAcls(
      rules.map(([principal, operation, permission]) =>
        ruleOf(this.topic, principal, operation, permission),
      ),
    );
    await this.write();
  }

  /** Rules of the topic, the same in any order. */
  async rulesOf(topic: string): Promise<Acl[]> {
    const found = await this.security.acls({
      resourceType: AclResource.topic,
      resourceName: topic,
      patternType: AclPattern.literal,
      principal: null,
      host: null,
      operation: AclOperation.any,
      permissionType: AclPermission.any,
    });
    return found.sort((a, b) => (a.principal < b.principal ? -1 : 1));
  }

  /** As if the group had read everything. */
  commit(): Promise<void> {
    const offset = this.#written / PARTITIONS;
    const offsets = Array.from({ length: PARTITIONS }, (_, partition) => {
      return { topic: this.topic, partition, offset };
    });
    return this.admin.alterGroupOffsets(GROUP, offsets);
  }

  async write(): Promise<void> {
    const producer = new Producer(this.client, { acks: -1 });
    for (let i = 0; i < RECORDS * PARTITIONS; i++) {
      const number = this.#written++;
      const key = Buffer.from(`key ${number}`);
      const value = Buffer.from(`${this.name} ${number}`);
      producer.append(this.topic, value, { key, partition: number % PARTITIONS });
    }
    await producer.flush();
    await producer.close();
  }
}

describeWithPeers(['kafka'], 'MirrorMaker', () => {
  let kafka: Kafka;
  let weir: WeirProcess;
  let mirror: PeerProcess;
  let clusters: [Cluster, Cluster];

  beforeAll(async () => {
    const settings = Object.entries(rights).map(([key, value]) => `broker.${key}=${value}`);
    [kafka, weir] = await Promise.all([
      startKafka({ properties: rights }),
      WeirProcess.start({ roles: 'broker', settings }),
    ]);
    clusters = [new Cluster('kafka', kafka.bootstrap), new Cluster('weir', weir.bootstrap)];
    await Promise.all(clusters.map((cluster) => cluster.prepare()));
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    mirror = await startKafkaServer({
      name: 'mirror-maker',
      mainClass: 'org.apache.kafka.connect.mirror.MirrorMaker',
      heap: '384m',
      properties: {
        clusters: 'kafka, weir',
        'kafka.bootstrap.servers': kafka.bootstrap,
        'weir.bootstrap.servers': weir.bootstrap,
        'kafka->weir.enabled': true,
        'kafka->weir.topics': 'of-kafka',
        'weir->kafka.enabled': true,
        'weir->kafka.topics': 'of-weir',
        'replication.factor': 1,
        'checkpoints.topic.replication.factor': 1,
        'heartbeats.topic.replication.factor': 1,
        'offset-syncs.topic.replication.factor': 1,
        'offset.storage.replication.factor': 1,
        'status.storage.replication.factor': 1,
        'config.storage.replication.factor': 1,
        'weir.exactly.once.source.support': 'enabled',
        'dedicated.mode.enable.internal.rest': true,
        listeners: url,
        'offset.lag.max': 0,
        'refresh.topics.interval.seconds': 2,
        'refresh.groups.interval.seconds': 2,
        'sync.topic.configs.interval.seconds': 2,
        'sync.topic.acls.interval.seconds': 2,
        'sync.group.offsets.enabled': true,
        'sync.group.offsets.interval.seconds': 1,
        'emit.checkpoints.interval.seconds': 1,
        'emit.heartbeats.interval.seconds': 1,
        'offset.flush.interval.ms': 500,
      },
      // Its REST has nothing for others; it answers them with an error.
      ready: async () => (await fetch(url)).status > 0,
      startTimeoutMs: 120_000,
    });
  }, 240_000);
  afterAll(async () => {
    await mirror?.stop();
    for (const { client } of clusters ?? []) client.close();
    await weir?.stop();
    await kafka?.stop();
  });

  it('copies records, settings and offsets of groups, there and back', async () => {
    for (const [from, to] of [clusters, clusters.toReversed()] as [Cluster, Cluster][]) {
      const copied = async () => {
        const known = await to.admin.listTopics();
        if (!known.some(({ name }) => name === from.copy)) return [];
        return readAll(to.client, from.copy, PARTITIONS);
      };
      await expect.poll(async () => (await copied()).length, PATIENCE).toBeGreaterThan(0);
      await from.write();
      const all = from.values.length;
      await expect.poll(async () => (await copied()).length, PATIENCE).toBe(all);
      const records = await copied();
      expect(records.map(({ value }) => value).sort()).toEqual(from.values.sort());
      for (const { partition, key, value } of records) {
        const number = Number(value.split(' ')[1]);
        expect([key, partition]).toEqual([`key ${number}`, number % PARTITIONS]);
      }
      const retention = async () => {
        const [config] = await to.admin.describeConfigs('topic', from.copy, ['retention.ms']);
        return config?.value;
      };
      await expect.poll(retention, PATIENCE).toBe(RETENTION_MS);
      const offsets = async () =>
        (await to.admin.groupOffsets(GROUP)).filter(({ topic }) => topic === from.copy);
      await from.commit();
      await expect.poll(async () => (await offsets()).length, PATIENCE).toBe(PARTITIONS);
      await from.write();
      const unread = from.values.slice(all);
      const committed = (await offsets()).map(({ offset }) => offset);
      expect(Math.min(...committed)).toBeGreaterThan(0);
      // Who goes on with the copy misses nothing; the translation may go back a little.
      const rest = async () => {
        const found = await readAll(to.client, from.copy, PARTITIONS, committed);
        return found.map(({ value }) => value);
      };
      await expect.poll(rest, PATIENCE).toEqual(expect.arrayContaining(unread));
    }
  }, 240_000);

  it('copies who may read a topic, there and back', async () => {
    for (const [from, to] of [clusters, clusters.toReversed()] as [Cluster, Cluster][]) {
      const copies = rules
        .flatMap(([principal, , permission, copied]) =>
          copied === null ? [] : [ruleOf(from.copy, principal, copied, permission)],
        )
        .sort((a, b) => (a.principal < b.principal ? -1 : 1));
      await expect.poll(() => to.rulesOf(from.copy), PATIENCE).toEqual(copies);
      // A later one follows.
      const later = ['User:later', AclOperation.describe, allow] as const;
      await from.security.createAcls([ruleOf(from.topic, ...later)]);
      const follows = expect.arrayContaining([ruleOf(from.copy, ...later)]);
      await expect.poll(() => to.rulesOf(from.copy), PATIENCE).toEqual(follows);
    }
  }, 240_000);
});
