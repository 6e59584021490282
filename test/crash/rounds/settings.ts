/**
 * Everything that administrators change, always two settings by one request: configs of topics, groups
 * and brokers, quotas, users, ACLs, and topics themselves. What was answered is in force after a kill,
 * and of what was not, both settings or neither.
 */
import { pbkdf2Sync } from 'node:crypto';
import { below, type Random } from '../../../src/base/random.ts';
import { scramLogin } from '../../support/scram-login.ts';
import { createTopic, WireClient } from '../../unit/broker/fixture.ts';
import { Registers } from './registers.ts';
import { accepted, type Usage, type Victim } from './usage.ts';

/** A kind of thing that is altered; values are numbers, and mean the same in both settings. */
interface Kind {
  readonly kind: string;
  readonly names: readonly string[];
  /** Numbers from one to the other, so that each fits both settings. */
  readonly range: readonly [from: number, below: number];
  /** Null takes both settings away. */
  alter(client: WireClient, name: string, value: number | null): Promise<void>;
  /** The number that is set, null for none; anything else where the settings differ. */
  describe(client: WireClient, name: string): Promise<string | null>;
}

/** What two settings say: null for neither, one number for both. */
function agreed(first: string | null, second: string | null): string | null {
  return first === second ? first : `half applied: ${first} and ${second}`;
}

/** What DescribeConfigs says of where a value comes from. */
const ConfigSource = { topic: 1, broker: 2, brokers: 3, group: 8 } as const;

function configs(
  kind: keyof typeof ConfigSource,
  resourceType: number,
  names: readonly string[],
  keys: readonly [string, string],
  range: readonly [number, number],
): Kind {
  return {
    kind,
    names,
    range,
    async alter(client, resourceName, value) {
      const settings = keys.map((name) => ({
        name,
        configOperation: value === null ? 1 : 0,
        value: value === null ? null : String(value),
      }));
      const resources = [{ resourceType, resourceName, configs: settings }];
      const answer = await client.request('IncrementalAlterConfigs', 1, { resources });
      accepted(`a change of ${kind} ${resourceName}`, answer.responses[0].errorCode);
    },
    async describe(client, resourceName) {
      const resources = [{ resourceType, resourceName, configurationKeys: [...keys] }];
      const answer = await client.request('DescribeConfigs', 4, { resources });
      accepted(`the question for ${kind} ${resourceName}`, answer.results[0].errorCode);
      const [first, second] = keys.map((key) => {
        const found = answer.results[0].configs.find(({ name }: any) => name === key);
        return found?.configSource === ConfigSource[kind] ? (found.value as string) : null;
      });
      return agreed(first!, second!);
    },
  };
}

const SCRAM_SHA_256 = 1;
const passwordOf = (value: string): string => `secret ${value}`;

const users: Kind = {
  kind: 'user',
  names: ['alice', 'bob', 'carol'],
  range: [4096, 8192],
  async alter(client, name, value) {
    const mechanism = SCRAM_SHA_256;
    const salt = Buffer.from('0123456789abcdefghijklmnop');
    const upsertion = () => ({
      name,
      mechanism,
      iterations: value,
      salt,
      saltedPassword: pbkdf2Sync(passwordOf(String(value)), salt, value!, 32, 'sha256'),
    });
    const answer = await client.request('AlterUserScramCredentials', 0, {
      deletions: value === null ? [{ name, mechanism }] : [],
      upsertions: value === null ? [] : [upsertion()],
    });
    accepted(`a change of user ${name}`, answer.results[0].errorCode);
  },
  async describe(client, name) {
    const body = { users: [{ name }] };
    const { results } = await client.request('DescribeUserScramCredentials', 0, body);
    const [credential] = results[0].credentialInfos;
    return credential === undefined ? null : String(credential.iterations);
  },
};

const RATES = ['producer_byte_rate', 'consumer_byte_rate'];

const quotas: Kind = {
  kind: 'quota of',
  names: ['u1', 'u2', 'u3'],
  range: [1_000_000_000, 2_000_000_000],
  async alter(client, entityName, value) {
    const entity = [{ entityType: 'user', entityName }];
    const ops = RATES.map((key) => ({ key, value: value ?? 0, remove: value === null }));
    const entries = [{ entity, ops }];
    const answer = await client.request('AlterClientQuotas', 1, { entries, validateOnly: false });
    accepted(`a change of the quota of ${entityName}`, answer.entries[0].errorCode);
  },
  async describe(client, match) {
    const components = [{ entityType: 'user', matchType: 0, match }];
    const answer = await client.request('DescribeClientQuotas', 1, { components, strict: true });
    accepted(`the question for the quota of ${match}`, answer.errorCode);
    const values: { key: string; value: number }[] = answer.entries[0]?.values ?? [];
    const [first, second] = RATES.map((rate) => values.find(({ key }) => key === rate)?.value);
    return agreed(first?.toString() ?? null, second?.toString() ?? null);
  },
};

const ALLOW = 3;
const ANY = 1;
const LITERAL = 3;
const TOPIC = 2;
const READ = 3;
const WRITE = 4;

/** Each principal has the right to read and to write one topic, whose name is the number. */
const acls: Kind = {
  kind: 'ACLs of',
  names: ['User:p1', 'User:p2', 'User:p3'],
  range: [0, 1_000_000],
  async alter(client, principal, value) {
    if (value === null) {
      const filter = {
        resourceTypeFilter: TOPIC,
        patternTypeFilter: LITERAL,
        resourceNameFilter: null,
        principalFilter: principal,
        hostFilter: null,
        operation: ANY,
        permissionType: ANY,
      };
      const answer = await client.request('DeleteAcls', 3, { filters: [filter] });
      accepted(`a deletion of ACLs of ${principal}`, answer.filterResults[0].errorCode);
      return;
    }
    const creations = [READ, WRITE].map((operation) => ({
      resourceType: TOPIC,
      resourceName: String(value),
      resourcePatternType: LITERAL,
      principal,
      host: '*',
      operation,
      permissionType: ALLOW,
    }));
    const answer = await client.request('CreateAcls', 3, { creations });
    for (const { errorCode } of answer.results) accepted(`ACLs of ${principal}`, errorCode);
  },
  async describe(client, principalFilter) {
    const answer = await client.request('DescribeAcls', 3, {
      resourceTypeFilter: TOPIC,
      patternTypeFilter: LITERAL,
      resourceNameFilter: null,
      principalFilter,
      hostFilter: null,
      operation: ANY,
      permissionType: ANY,
    });
    accepted(`the question for ACLs of ${principalFilter}`, answer.errorCode);
    const names = (operation: number): string | null => {
      const found = answer.resources.filter((resource: any) =>
        resource.acls.some((acl: any) => acl.operation === operation),
      );
      return found.length === 0 ? null : found.map((r: any) => r.resourceName).join();
    };
    return agreed(names(READ), names(WRITE));
  },
};

/** Topics that come and go, with a setting of their own and two partitions. */
const topics: Kind = {
  kind: 'topic',
  names: ['passing-1', 'passing-2', 'passing-3'],
  range: [1_000_000_000, 2_000_000_000],
  async alter(client, name, value) {
    if (value !== null) return void (await createTopic(client, name, 2, retention(value)));
    const answer = await client.request('DeleteTopics', 6, {
      topics: [{ name }],
      timeoutMs: 5_000,
    });
    accepted(`the deletion of ${name}`, answer.responses[0].errorCode);
  },
  async describe(client, name) {
    const body = { topics: [{ name }], allowAutoTopicCreation: false };
    const { topics: found } = await client.request('Metadata', 9, body);
    if (found[0].errorCode === UNKNOWN_TOPIC_OR_PARTITION) return null;
    accepted(`the question for ${name}`, found[0].errorCode);
    const { partitions } = found[0];
    if (partitions.length !== 2) return `half made, with ${partitions.length} partitions`;
    const resources = [
      { resourceType: TOPIC, resourceName: name, configurationKeys: ['retention.ms'] },
    ];
    const { results } = await client.request('DescribeConfigs', 4, { resources });
    return results[0].configs[0]?.value ?? 'made without its settings';
  },
};
const UNKNOWN_TOPIC_OR_PARTITION = 3;
const retention = (value: number): Record<string, string> => ({ 'retention.ms': String(value) });

const kinds: readonly Kind[] = [
  configs('topic', TOPIC, ['set-1', 'set-2'], ['retention.ms', 'max.message.bytes'], [1e9, 2e9]),
  configs('broker', 4, ['0'], ['max.connections', 'max.connections.per.ip'], [1e6, 2e6]),
  configs('brokers', 4, [''], ['log.retention.ms', 'log.index.interval.bytes'], [1e6, 2e6]),
  configs(
    'group',
    32,
    ['set-1', 'set-2'],
    ['consumer.session.timeout.ms', 'share.session.timeout.ms'],
    [45_000, 60_000],
  ),
  users,
  quotas,
  acls,
  topics,
];
/** Connections that administrators have. */
const SESSIONS = 3;
const REMOVED = 0.3;

export class Settings implements Usage {
  readonly name = 'settings';
  readonly #values = kinds.map(({ kind }) => new Registers(kind));
  /** Of the listener on which users log in. */
  readonly #userPort: number;
  #number = 0;

  constructor(userPort: number) {
    this.#userPort = userPort;
  }

  get acknowledged(): number {
    return this.#values.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  }

  async prepare(client: WireClient): Promise<void> {
    for (const name of ['set-1', 'set-2']) await createTopic(client, name, 1);
  }

  async work(victim: Victim, random: Random): Promise<void> {
    const sessions = Array.from({ length: SESSIONS }, (_, session) =>
      victim.serve(async (client) => {
        for (;;) {
          const at = below(random, kinds.length);
          // One writer a register.
          const own = kinds[at]!.names.filter((_name, i) => (i + at) % SESSIONS === session);
          const name = own[below(random, Math.max(1, own.length))];
          if (name !== undefined) await this.#alter(client, at, name, random);
        }
      }),
    );
    await Promise.all(sessions);
  }

  async #alter(client: WireClient, at: number, name: string, random: Random): Promise<void> {
    const kind = kinds[at]!;
    const values = this.#values[at]!;
    // What can't be set anew is removed first.
    const isOnce = kind === acls || kind === topics;
    const isSet = values.known(name) !== null;
    const removes = isSet && (isOnce || random.next() < REMOVED);
    const [from, limit] = kind.range;
    const value = removes ? null : from + (++this.#number % (limit - from));
    values.ask(name, value === null ? null : String(value));
    await kind.alter(client, name, value);
    values.acknowledge(name);
  }

  async check(client: WireClient): Promise<string[]> {
    const faults: string[] = [];
    for (const [at, kind] of kinds.entries()) {
      const found = new Map<string, string | null>();
      for (const name of kind.names) found.set(name, await kind.describe(client, name));
      faults.push(...this.#values[at]!.faults(found));
    }
    return [...faults, ...(await this.#logIn())];
  }

  /** Users are let in with the password that they have, and only those who have one. */
  async #logIn(): Promise<string[]> {
    const values = this.#values[kinds.indexOf(users)]!;
    const faults = users.names.map(async (name) => {
      const value = values.known(name);
      const isIn = await logsIn(this.#userPort, name, passwordOf(value ?? ''));
      return isIn === (value !== null) ? [] : [`${name} has ${value}, and logs in: ${isIn}`];
    });
    return (await Promise.all(faults)).flat();
  }

  checkAll(client: WireClient): Promise<string[]> {
    return this.check(client);
  }
}

async function logsIn(port: number, name: string, password: string): Promise<boolean> {
  const client = await WireClient.connect(port);
  try {
    await client.request('SaslHandshake', 1, { mechanism: 'SCRAM-SHA-256' });
    const login = scramLogin('SCRAM-SHA-256', name, password);
    const first = await client.request('SaslAuthenticate', 2, { authBytes: login.first });
    if (first.errorCode !== 0) return false;
    const { token, signature } = login.final(first.authBytes);
    const last = await client.request('SaslAuthenticate', 2, { authBytes: token });
    return last.errorCode === 0 && String(last.authBytes) === signature;
  } finally {
    await client.close();
  }
}
