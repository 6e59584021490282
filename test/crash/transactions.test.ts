/**
 * Apache Kafka's transactional clients copy a topic while brokers are killed, and one of them is
 * killed itself: what is committed is there exactly once.
 *
 * `WEIR_CRASH_ROUNDS` (3 unless set) brokers are killed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Admin } from '../../src/client/admin.ts';
import { Client } from '../../src/client/client.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { ClusterProcesses } from '../support/cluster-processes.ts';
import { runCopier, startCopier } from './transactions/copier.ts';

const ROUNDS = Number(process.env['WEIR_CRASH_ROUNDS'] ?? 3);
const RECORDS = 20_000;
const PARTITIONS = 2;

describeWithPeers(['kafka'], 'a topic that is copied in transactions', () => {
  let cluster: ClusterProcesses;

  beforeAll(async () => {
    cluster = await ClusterProcesses.start({
      settings: {
        'min.insync.replicas': '2',
        'replica.lag.time.max.ms': '2000',
        'broker.session.timeout.ms': '2000',
        'transaction.state.log.num.partitions': '3',
        'transaction.abort.timed.out.transaction.cleanup.interval.ms': '500',
        'offsets.topic.num.partitions': '3',
      },
    });
    const client = new Client({ bootstrap: cluster.bootstrap, clientId: 'test' });
    const admin = new Admin(client);
    const topic = { partitions: PARTITIONS, replicationFactor: 3 };
    await admin.createTopics(['from', 'to'].map((name) => ({ name, ...topic })));
    client.close();
  });
  afterAll(() => cluster?.stop());

  it('is there exactly once, whoever is killed meanwhile', async () => {
    const { bootstrap } = cluster;
    await runCopier('fill', bootstrap, 'from', String(RECORDS), String(PARTITIONS));
    const copy = (id: string) =>
      startCopier('copy', bootstrap, 'from', 'to', id, String(RECORDS), 'classic', '200');
    const copiers = [await copy('one'), await copy('two')];
    await sleep(2_000);
    copiers[0]!.child.kill('SIGKILL');
    copiers[0] = await copy('one');
    for (let round = 0; round < ROUNDS; round++) {
      const broker = cluster.broker(round % 3);
      await sleep(1_500);
      await broker.kill();
      await sleep(1_500);
      await broker.restart();
      await cluster.complete();
    }
    const results = await Promise.all(copiers.map(({ result }) => result));
    const transactions = results.reduce((sum, r) => sum + r['transactions']!, 0);
    const aborted = results.reduce((sum, r) => sum + r['aborted']!, 0);
    expect(transactions).toBeGreaterThan(20);
    expect(aborted).toBeGreaterThan(5);
    const verdict = await runCopier('check', bootstrap, 'to', String(RECORDS));
    expect(verdict).toEqual({ missing: 0, repeated: 0, disordered: 0 });
  }, 600_000);
});
