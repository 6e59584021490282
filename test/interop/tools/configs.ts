/** `kafka-configs`, with each kind of entity. */
import type { Comparison, ToolSides } from './tool-sides.ts';

const CONFIGS = 'kafka.admin.ConfigCommand';

const comparison: Comparison = {
  sorted: true,
  mask: [
    // There is no tiered storage here that could be switched off.
    [/^ *remote\.log\.(copy\.disable|delete\.on\.disable)=.*$/gm, ''],
    // A new Kafka cluster sets its own default for all brokers (KIP-966).
    [/^ *min\.insync\.replicas=.*$/gm, ''],
  ],
};

const NOT_DONE = /^(?![^]*Completed)/;

/** Sets the settings of an entity, shows and deletes them; refuses others. */
class Entity {
  readonly #tools: ToolSides;
  readonly #entity: readonly string[];

  constructor(tools: ToolSides, ...entity: readonly string[]) {
    this.#tools = tools;
    this.#entity = entity;
  }

  async #run(args: readonly string[], expected: RegExp): Promise<void> {
    await this.#tools.alike(CONFIGS, [...this.#entity, ...args], expected, comparison);
  }

  describe(expected: RegExp, ...more: string[]): Promise<void> {
    const args = [...this.#entity, '--describe', ...more];
    return this.#tools.alikeSoon(CONFIGS, args, expected, comparison);
  }

  add(settings: string): Promise<void> {
    return this.#run(['--alter', '--add-config', settings], /Completed updating/);
  }

  addFile(file: string): Promise<void> {
    return this.#run(['--alter', '--add-config-file', file], /Completed updating/);
  }

  delete(names: string, expected = /Completed updating/): Promise<void> {
    return this.#run(['--alter', '--delete-config', names], expected);
  }

  async refuses(...wrong: string[]): Promise<void> {
    for (const settings of wrong) await this.#run(['--alter', '--add-config', settings], NOT_DONE);
  }

  async takes(settings: string, names: string, expected: RegExp): Promise<void> {
    await this.add(settings);
    await this.describe(expected);
    await this.delete(names);
    await this.describe(/^/);
  }
}

export async function configs(tools: ToolSides): Promise<void> {
  await ofTopics(tools);
  await ofBrokers(tools);
  await ofUsers(tools);
  const some = new Entity(tools, '--group', 'some');
  const session = 'consumer.session.timeout.ms';
  await some.takes(`${session}=50000`, session, /DYNAMIC_GROUP_CONFIG/);
  await some.refuses(`${session}=1`, 'nonsense=1');
  const metrics = new Entity(tools, '--client-metrics', 'm');
  await metrics.takes(
    'metrics=[a.,b.],interval.ms=5000,match=[client_id=x.*]',
    'metrics,interval.ms,match',
    /interval\.ms=5000/,
  );
  await metrics.refuses('interval.ms=1', 'match=[nonsense=x]');
}

async function ofTopics(tools: ToolSides): Promise<void> {
  const orders = new Entity(tools, '--topic', 'orders');
  const policies = 'retention.ms=5000,cleanup.policy=[compact,delete]';
  await orders.takes(policies, 'retention.ms,cleanup.policy', /retention\.ms=5000 sensitive/);
  const name = 'max.message.bytes';
  const typed = new Entity(tools, '--entity-type', 'topics', '--entity-name', 'orders');
  await typed.takes(`${name}=70000`, name, /70000/);
  await orders.addFile(tools.inFile('topic.properties', 'segment.bytes=20000000\nflush.ms=7\n'));
  await orders.describe(/flush\.ms=7/);
  await orders.delete('segment.bytes,flush.ms');
  await orders.delete('flush.ms');
  await orders.describe(/max\.message\.bytes/, '--all');
  await orders.refuses(
    'nonsense=1',
    'retention.ms=never',
    'segment.bytes=1',
    'cleanup.policy=[compact,shred]',
    'compression.type=best',
    'min.insync.replicas=0',
    'retention.ms=1,nonsense=2',
    'message.timestamp.type=Never',
    'min.compaction.lag.ms=10,max.compaction.lag.ms=5',
  );
  const absent = new Entity(tools, '--topic', 'absent');
  await absent.refuses('retention.ms=1');
  await absent.describe(/absent/);
  await new Entity(tools, '--entity-type', 'topics').describe(/orders/);
}

async function ofBrokers(tools: ToolSides): Promise<void> {
  const one = new Entity(tools, '--broker', '0');
  const all = new Entity(tools, '--broker-defaults');
  const bytes = 'message.max.bytes';
  await one.takes(`${bytes}=2000000`, bytes, /DYNAMIC_BROKER_CONFIG/);
  await all.takes(`${bytes}=3000000`, bytes, /DEFAULT_BROKER_CONFIG/);
  const typed = new Entity(tools, '--entity-type', 'brokers', '--entity-name', '1');
  await typed.takes('compression.type=lz4', 'compression.type', /compression\.type=lz4/);
  // What has no effect on us, and what has, for one listener.
  await one.takes('num.io.threads=9', 'num.io.threads', /num\.io\.threads=9 sensitive=false/);
  await all.takes('background.threads=12', 'background.threads', /=12 sensitive=false/);
  await one.refuses('num.io.threads=0', 'queued.max.requests=1');
  const connections = 'listener.name.plaintext.max.connections';
  await one.add(`${connections}=900`);
  await one.delete(connections);
  await one.refuses('node.id=7', 'log.retention.ms=never', 'ssl.keystore.password=secret');
  await all.refuses(
    'ssl.keystore.password=secret',
    'listener.name.plaintext.ssl.keystore.password=secret',
  );
  await new Entity(tools, '--broker', 'x').refuses('log.retention.ms=1');
  await new Entity(tools, '--broker-logger', '0').refuses('root=LOUD');
  await new Entity(tools, '--broker-logger', 'x').describe(/x/);
}

async function ofUsers(tools: ToolSides): Promise<void> {
  const alice = new Entity(tools, '--user', 'alice');
  const scram = 'SCRAM-SHA-256';
  const password = (iterations: number): string =>
    `${scram}=[iterations=${iterations},password=secret]`;
  await alice.takes(password(8192), scram, /SCRAM-SHA-256=iterations=8192/);
  await alice.refuses(password(8));
  await new Entity(tools, '--user', 'nobody').delete('SCRAM-SHA-512', NOT_DONE);
  const limited = [
    ['--user', 'alice'],
    ['--user-defaults'],
    ['--client', 'app'],
    ['--client-defaults'],
    ['--user', 'alice', '--client', 'app'],
    ['--user', 'alice', '--client-defaults'],
    ['--user-defaults', '--client-defaults'],
  ].map((entity) => new Entity(tools, ...entity));
  for (const entity of limited) {
    await entity.add('producer_byte_rate=1000,consumer_byte_rate=2000,request_percentage=50');
    await entity.describe(/producer_byte_rate=1000/);
  }
  const [users, clients] = ['users', 'clients'].map((type) => ['--entity-type', type]);
  await new Entity(tools, ...users!).describe(/alice/);
  await new Entity(tools, ...clients!).describe(/app/);
  await new Entity(tools, ...users!, ...clients!).describe(/alice[^]*app|app[^]*alice/);
  for (const entity of limited) {
    await entity.delete('producer_byte_rate,consumer_byte_rate,request_percentage');
  }
  await new Entity(tools, ...users!).describe(/^$/);
  const app = new Entity(tools, '--client', 'app');
  await app.refuses('producer_byte_rate=fast', 'producer_byte_rate=0', 'speed=1');
  const rate = 'connection_creation_rate';
  await new Entity(tools, '--ip', '10.1.2.3').takes(`${rate}=5`, rate, /=5/);
  await new Entity(tools, '--ip-defaults').takes(`${rate}=6`, rate, /=6/);
  await new Entity(tools, '--ip', 'no address').refuses(`${rate}=5`);
}
