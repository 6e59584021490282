/**
 * Settings of brokers that Apache Kafka 4.3 has and brokers here have not: they are about its threads
 * and buffers, about Java, or about what is not served. Tools and scripts set them by name, so what
 * becomes of each is Kafka's answer where that does no harm, and a refusal that says so where
 * somebody would count on an effect. A configuration file can't have them.
 */
import { type Key, LONG_MAX, tableOf } from './table.ts';

const idle = (
  name: string,
  type: 'int' | 'long',
  byDefault: number,
  min: number,
  what: string,
): Key => ({
  ...{ name, type, default: byDefault, min, dynamic: 'broker' },
  doc: `${what}; has no effect here.`,
});

/** When Kafka's brokers log in anew by Kerberos, or with a new token: each for itself, in any bounds. */
const logins: readonly Key[] = (
  [
    ['sasl.kerberos.min.time.before.relogin', 'long', 60_000, 'Shortest time between renewals, ms'],
    ['sasl.kerberos.ticket.renew.jitter', 'double', 0.05, 'Chance in renewing a ticket'],
    [
      'sasl.kerberos.ticket.renew.window.factor',
      'double',
      0.8,
      'Share of its life a ticket is kept',
    ],
    ['sasl.login.refresh.buffer.seconds', 'short', 300, 'Time left to a token that is renewed'],
    ['sasl.login.refresh.min.period.seconds', 'short', 60, 'Shortest time a token is kept'],
    ['sasl.login.refresh.window.factor', 'double', 0.8, 'Share of its life a token is kept'],
    ['sasl.login.refresh.window.jitter', 'double', 0.05, 'Chance in renewing a token'],
  ] as const
).map(([name, type, byDefault, what]) => ({
  ...{ name, type, default: byDefault, dynamic: 'broker' },
  doc: `${what}; has no effect here.`,
}));
const loginNames = new Set(logins.map(({ name }) => name));

/** Each broker has its own value, and none is for all. */
export const isOfLogins = (bareName: string): boolean => loginNames.has(bareName);

/** Taken, kept and described as by Kafka, once somebody has set them; they change nothing. */
export const idleKeys: ReadonlyMap<string, Key> = tableOf([
  ...logins,
  idle('background.threads', 'int', 10, 1, 'Threads for chores'),
  idle('log.cleaner.threads', 'int', 1, 0, 'Threads that compact logs'),
  idle('num.io.threads', 'int', 8, 1, 'Threads that handle requests'),
  idle('num.network.threads', 'int', 3, 1, 'Threads that read and write connections'),
  idle('num.recovery.threads.per.data.dir', 'int', 2, 1, 'Threads that open logs'),
  idle('num.replica.fetchers', 'int', 1, 1, 'Threads that copy from each leader'),
  idle(
    'group.coordinator.cached.buffer.max.bytes',
    'int',
    1_048_588,
    524_288,
    'Largest buffer that is kept for records of groups',
  ),
  idle(
    'share.coordinator.cached.buffer.max.bytes',
    'int',
    1_048_588,
    524_288,
    'Largest buffer that is kept for records of share groups',
  ),
  idle(
    'group.share.assignment.interval.ms',
    'int',
    1000,
    0,
    'Shortest time between two new assignments of a share group',
  ),
  idle(
    'group.streams.assignment.interval.ms',
    'int',
    1000,
    0,
    'Shortest time between two new assignments of a streams group',
  ),
  idle('remote.fetch.max.wait.ms', 'int', 500, 1, 'Longest wait for tiered records'),
  idle('remote.log.manager.copier.thread.pool.size', 'int', 10, 1, 'Threads that tier segments'),
  idle(
    'remote.log.manager.expiration.thread.pool.size',
    'int',
    10,
    1,
    'Threads that delete tiered segments',
  ),
  idle(
    'remote.log.manager.follower.thread.pool.size',
    'int',
    2,
    1,
    'Threads of followers of tiered logs',
  ),
  idle('remote.log.reader.threads', 'int', 10, 1, 'Threads that read tiered records'),
  idle(
    'remote.list.offsets.request.timeout.ms',
    'long',
    30_000,
    1,
    'Longest wait for offsets of tiered records',
  ),
  idle(
    'remote.log.index.file.cache.total.size.bytes',
    'long',
    1_073_741_824,
    1,
    'Bytes of indexes of tiered segments that are kept',
  ),
  idle(
    'remote.log.manager.copy.max.bytes.per.second',
    'long',
    LONG_MAX,
    1,
    'Bytes a second that are tiered',
  ),
  idle(
    'remote.log.manager.fetch.max.bytes.per.second',
    'long',
    LONG_MAX,
    1,
    'Bytes a second that are read of tiered segments',
  ),
  {
    name: 'follower.fetch.last.tiered.offset.enable',
    type: 'boolean',
    default: false,
    dynamic: 'broker',
    doc: 'Whether a new follower begins behind what is tiered; has no effect here.',
  },
]);

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** Kafka changes them while it runs, and something would be otherwise; here nothing would. */
export const unservedSettings = words(`
  config.providers cordoned.log.dirs metric.reporters principal.builder.class
  sasl.kerberos.kinit.cmd sasl.kerberos.principal.to.local.rules sasl.kerberos.service.name
  ssl.engine.factory.class ssl.keymanager.algorithm ssl.protocol ssl.provider
  ssl.secure.random.implementation ssl.trustmanager.algorithm transaction.partition.verification.enable
`);

/** A running Kafka does not change them. */
export const unchangingSettings = words(`
  add.partitions.to.txn.retry.backoff.max.ms add.partitions.to.txn.retry.backoff.ms
  alter.config.policy.class.name alter.log.dirs.replication.quota.window.num
  alter.log.dirs.replication.quota.window.size.seconds broker.id client.quota.callback.class
  controlled.shutdown.enable controller.listener.names controller.quorum.append.linger.ms
  controller.quorum.auto.join.enable controller.quorum.bootstrap.servers
  controller.quorum.election.backoff.max.ms controller.quorum.fetch.max.bytes
  controller.quorum.fetch.snapshot.max.bytes controller.quorum.request.timeout.ms
  controller.quorum.retry.backoff.ms controller.quorum.voters controller.socket.timeout.ms
  create.topic.policy.class.name delegation.token.expiry.check.interval.ms delegation.token.expiry.time.ms
  delegation.token.max.lifetime.ms delegation.token.secret.key
  delete.records.purgatory.purge.interval.requests early.start.listeners
  fetch.purgatory.purge.interval.requests group.coordinator.append.linger.ms
  group.coordinator.background.threads group.coordinator.rebalance.protocols group.coordinator.threads
  group.share.assignors group.share.delivery.count.limit group.share.heartbeat.interval.ms
  group.share.max.assignment.interval.ms group.share.max.delivery.count.limit
  group.share.max.heartbeat.interval.ms group.share.max.partition.max.record.locks
  group.share.max.record.lock.duration.ms group.share.max.session.timeout.ms group.share.max.share.sessions
  group.share.max.size group.share.min.assignment.interval.ms group.share.min.delivery.count.limit
  group.share.min.heartbeat.interval.ms group.share.min.partition.max.record.locks
  group.share.min.record.lock.duration.ms group.share.min.session.timeout.ms
  group.share.partition.max.record.locks group.share.record.lock.duration.ms group.share.session.timeout.ms
  group.streams.heartbeat.interval.ms group.streams.initial.rebalance.delay.ms
  group.streams.max.assignment.interval.ms group.streams.max.heartbeat.interval.ms
  group.streams.max.session.timeout.ms group.streams.max.size group.streams.max.standby.replicas
  group.streams.min.assignment.interval.ms group.streams.min.heartbeat.interval.ms
  group.streams.min.session.timeout.ms group.streams.num.standby.replicas group.streams.session.timeout.ms
  initial.broker.registration.timeout.ms kafka.metrics.polling.interval.secs kafka.metrics.reporters log.dir
  log.dir.failure.timeout.ms log.flush.start.offset.checkpoint.interval.ms metadata.log.dir
  metadata.log.segment.bytes metadata.log.segment.ms metadata.max.idle.interval.ms
  metadata.max.retention.bytes metadata.max.retention.ms metrics.num.samples metrics.recording.level
  metrics.sample.window.ms num.replica.alter.log.dirs.threads offsets.load.buffer.size
  offsets.topic.compression.codec process.roles producer.purgatory.purge.interval.requests
  queued.max.requests remote.log.manager.copy.quota.window.num
  remote.log.manager.copy.quota.window.size.seconds remote.log.manager.fetch.quota.window.num
  remote.log.manager.fetch.quota.window.size.seconds remote.log.manager.task.interval.ms
  remote.log.manager.thread.pool.size remote.log.metadata.custom.metadata.max.bytes
  remote.log.metadata.manager.class.name remote.log.metadata.manager.class.path
  remote.log.metadata.manager.impl.prefix remote.log.metadata.manager.listener.name
  remote.log.reader.max.pending.tasks remote.log.storage.manager.class.name
  remote.log.storage.manager.class.path remote.log.storage.manager.impl.prefix
  remote.log.storage.system.enable replica.high.watermark.checkpoint.interval.ms
  replica.socket.receive.buffer.bytes replication.quota.window.num replication.quota.window.size.seconds
  request.timeout.ms sasl.client.callback.handler.class sasl.login.callback.handler.class sasl.login.class
  sasl.login.connect.timeout.ms sasl.login.read.timeout.ms sasl.login.retry.backoff.max.ms
  sasl.login.retry.backoff.ms sasl.mechanism.controller.protocol sasl.oauthbearer.assertion.algorithm
  sasl.oauthbearer.assertion.claim.aud sasl.oauthbearer.assertion.claim.exp.seconds
  sasl.oauthbearer.assertion.claim.iss sasl.oauthbearer.assertion.claim.jti.include
  sasl.oauthbearer.assertion.claim.nbf.seconds sasl.oauthbearer.assertion.claim.sub
  sasl.oauthbearer.assertion.file sasl.oauthbearer.assertion.private.key.file
  sasl.oauthbearer.assertion.private.key.passphrase sasl.oauthbearer.assertion.template.file
  sasl.oauthbearer.client.credentials.client.id sasl.oauthbearer.client.credentials.client.secret
  sasl.oauthbearer.jwt.retriever.class sasl.oauthbearer.jwt.validator.class sasl.oauthbearer.scope
  sasl.oauthbearer.token.endpoint.url sasl.server.callback.handler.class security.providers
  share.coordinator.append.linger.ms share.coordinator.load.buffer.size
  share.coordinator.snapshot.update.records.per.snapshot share.coordinator.state.topic.compression.codec
  share.coordinator.state.topic.min.isr share.coordinator.state.topic.num.partitions
  share.coordinator.state.topic.replication.factor share.coordinator.state.topic.segment.bytes
  share.coordinator.threads share.coordinator.write.timeout.ms share.fetch.purgatory.purge.interval.requests
  socket.connection.setup.timeout.max.ms socket.connection.setup.timeout.ms socket.listen.backlog.size
  socket.receive.buffer.bytes socket.send.buffer.bytes ssl.allow.dn.changes ssl.allow.san.changes
  transaction.state.log.load.buffer.size transaction.two.phase.commit.enable
`);
