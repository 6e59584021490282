/**
 * The same requests to Apache Kafka and to our broker, valid, odd and invalid, and the answers field
 * by field. What may differ stands in `allowed`, with the reason.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWithPeers } from '../peers/gate.ts';
import { type Kafka, startKafka } from '../peers/kafka.ts';
import { type RunningBroker, startBroker } from '../unit/broker/fixture.ts';
import * as configs from './differential/configs.ts';
import * as consumerGroups from './differential/consumer-groups.ts';
import { uncovered } from './differential/coverage.ts';
import { differences } from './differential/differences.ts';
import * as groupOffsets from './differential/group-offsets.ts';
import * as groups from './differential/groups.ts';
import * as logDirs from './differential/log-dirs.ts';
import * as odd from './differential/odd.ts';
import * as producing from './differential/producing.ts';
import * as records from './differential/records.ts';
import * as resources from './differential/resources.ts';
import { Side } from './differential/side.ts';
import * as topics from './differential/topics.ts';
import * as transactions from './differential/transactions.ts';

/** The longest scenes are thousands of questions, some of which Kafka never answers. */
const SCENE_TIMEOUT_MS = 300_000;

/** Of both brokers. */
const settings = {
  'offsets.topic.num.partitions': 5,
  'transaction.state.log.num.partitions': 5,
  'transaction.state.log.min.isr': 1,
  // Assignments must not depend on how fast each side is, nor must who is still there.
  'group.consumer.assignment.interval.ms': 0,
  'group.consumer.max.session.timeout.ms': 600_000,
  'group.consumer.session.timeout.ms': 600_000,
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'super.users': 'User:ANONYMOUS',
};

describeWithPeers(['kafka'], 'Apache Kafka and we', () => {
  let kafka: Kafka;
  let running: RunningBroker;
  let directory: string;
  let sides: Side[];
  beforeAll(async () => {
    kafka = await startKafka({ local: true, logDirs: 2, properties: settings });
    directory = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-differential-'));
    const paths = ['first', 'second'].map((name) => path.join(directory, name));
    const own = { 'node.id': 1, 'log.dirs': paths };
    running = await startBroker({ ...settings, ...own }, { directory });
    const base = Date.now();
    sides = [
      new Side('Kafka', Number(kafka.bootstrap.split(':')[1]), base),
      new Side('we', running.port, base),
    ];
    for (const side of sides) {
      const { clusterId } = await side.quietly('Metadata', 5, { topics: [] });
      side.alias(clusterId, 'cluster');
    }
    sides[0]!.livesIn(kafka.logDirs);
    sides[1]!.livesIn(paths);
  });
  afterAll(async () => {
    for (const side of sides ?? []) side.close();
    await running?.stop();
    await kafka?.stop();
  });

  it.each([
    ['describe the cluster and its topics', topics.metadata],
    ['create topics', topics.createTopics],
    ['add partitions', topics.createPartitions],
    ['delete topics', topics.deleteTopics],
    ['describe topics, the cluster and disks', topics.describe],
    ['know disks, and wishes for them', logDirs.wishes],
    ['move replicas between disks', logDirs.moves],
    ['describe settings', configs.describe],
    ['change settings', configs.alter],
    ['replace settings', resources.replacing],
    ['keep settings of groups', resources.groups],
    ['keep subscriptions to metrics of clients', resources.clientMetrics],
    ['take metrics of clients', resources.pushes],
    ['change settings of brokers', resources.brokers],
    ['change levels of loggers', resources.loggers],
    ['switch features', resources.features],
    ['append batches', producing.produce],
    ['append as the topic wants it', producing.produceByTopicSettings],
    ['follow the sequences of producers', producing.idempotence],
    ['read', records.fetch],
    ['know offsets', records.offsets],
    ['append and read in any order', records.random],
    ['find coordinators', groups.findCoordinator],
    ['keep offsets', groupOffsets.offsets],
    ['keep members', groups.members],
    ['rebalance', groups.pairs],
    ['list groups', groups.list],
    ['serve groups in any order', groups.random],
    ['find coordinators of transactions', transactions.coordinators],
    ['give transactional ids their epochs', transactions.identities],
    ['run transactions of version 1', transactions.firstVersion],
    ['run transactions of version 2', transactions.secondVersion],
    ['take offsets into transactions', transactions.offsets],
    ['describe transactions, and write markers', transactions.described],
    ['run transactions in any order', transactions.random],
    ['hear members of consumer groups', consumerGroups.heartbeats],
    ['know static members of consumer groups', consumerGroups.staticMembers],
    ['read topics by regular expressions', consumerGroups.regexes],
    ['serve groups of both protocols', consumerGroups.bothProtocols],
    ['serve every version', odd.eachVersion],
    ['take odd values of every field', odd.eachField],
    ['take odd values of fields that are mostly left out', odd.eachInnerField],
    ['take odd values in any order', odd.random],
    ['take requests that end too early or too late', odd.cut],
  ])(
    '%s alike',
    async (title, scene) => {
      for (const side of sides) side.entries = [];
      await Promise.all(sides.map((side) => scene(side)));
      const found = differences(sides[0]!.entries, sides[1]!.entries);
      const report = process.env['WEIR_DIFFERENCES'];
      if (report !== undefined) fs.appendFileSync(report, `# ${title}\n${found.join('\n')}\n`);
      expect(found).toEqual([]);
    },
    SCENE_TIMEOUT_MS,
  );

  it('every version of every API was asked for and given', () => {
    expect(uncovered(sides[1]!.succeeded)).toEqual([]);
  });
});
