/** The broker that is killed, set so that as much as possible is always under way, and all its usages. */
import { STANDARD_AUTHORIZER } from '../../support/refusals.ts';
import { freeRow } from '../../support/weir-brokers.ts';
import { WeirProcess } from '../../support/weir-process.ts';
import { WireClient } from '../../unit/broker/fixture.ts';
import { Commits } from './commits.ts';
import { Keys } from './keys.ts';
import { Settings } from './settings.ts';
import { Transactions } from './transactions.ts';
import { type Usage, Victim } from './usage.ts';

const settings = [
  'broker.listener.security.protocol.map=PLAINTEXT:PLAINTEXT,USERS:SASL_PLAINTEXT',
  'broker.listener.name.users.sasl.enabled.mechanisms=SCRAM-SHA-256',
  'broker.inter.broker.listener.name=PLAINTEXT',
  'broker.connection.failed.authentication.delay.ms=0',
  `broker.authorizer.class.name=${STANDARD_AUTHORIZER}`,
  'broker.allow.everyone.if.no.acl.found=true',
  'broker.metadata.log.max.record.bytes.between.snapshots=20000',
  'broker.offsets.topic.num.partitions=3',
  'broker.offsets.topic.segment.bytes=20000',
  'broker.transaction.state.log.num.partitions=3',
  'broker.transaction.state.log.segment.bytes=20000',
  'broker.log.cleaner.backoff.ms=20',
  'broker.log.cleaner.min.cleanable.ratio=0.1',
  'broker.log.flush.offset.checkpoint.interval.ms=200',
  'broker.group.initial.rebalance.delay.ms=0',
];

export async function startVictim(): Promise<{ victim: Victim; usages: Usage[] }> {
  const port = await freeRow(2);
  const listeners = `PLAINTEXT://127.0.0.1:${port},USERS://127.0.0.1:${port + 1}`;
  const weir = await WeirProcess.start({
    roles: 'broker',
    broker: { id: 0, port },
    settings: [...settings, `broker.listeners=${listeners}`],
  });
  const usages = [new Transactions(), new Commits(), new Keys(), new Settings(port + 1)];
  const client = await WireClient.connect(port);
  for (const usage of usages) await usage.prepare(client);
  await client.close();
  return { victim: new Victim(weir), usages };
}
