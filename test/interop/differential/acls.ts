/** ACLs and quotas: set, described, removed, refused; and what clients without rights are told. */
import { apiByName } from '../../../src/protocol/apis.ts';
import { type Asked, forPeers, refusals, refusedRequest } from '../../support/refusals.ts';
import { type Loose, WireClient } from '../../unit/broker/fixture.ts';
import type { Side } from './side.ts';

const creation = (more: Loose = {}): Loose => ({
  ...{ resourceType: 2, resourceName: 'a1', resourcePatternType: 3, principal: 'User:alice' },
  ...{ host: '*', operation: 3, permissionType: 3, ...more },
});
const filter = (more: Loose = {}): Loose => ({
  ...{ resourceTypeFilter: 1, resourceNameFilter: null, patternTypeFilter: 1 },
  ...{ principalFilter: null, hostFilter: null, operation: 1, permissionType: 1, ...more },
});
const VERSIONS = [1, 2, 3];
const ALICE = { principalFilter: 'User:alice' };

const odd: readonly Loose[] = [
  { resourceType: 4, resourceName: 'x' },
  { resourceType: 4, resourceName: 'kafka-cluster' },
  { resourceName: '' },
  ...[0, 1, 5, 6, 7, 8, 77, -1].map((resourceType) => ({ resourceType })),
  ...[0, 1, 2, 5, -1].map((resourcePatternType) => ({ resourcePatternType })),
  ...[0, 1, 2, 12, 15, 16, -1].map((operation) => ({ operation })),
  ...[0, 1, 2, 4, -1].map((permissionType) => ({ permissionType })),
  ...['alice', '', ':', 'User:', 'Group:x', 'User:a:b'].map((principal) => ({ principal })),
  { host: '' },
  { host: '10.0.0.1' },
];

/** A rule for anybody on the cluster would keep us out. */
const ours = creation({
  ...{ resourceType: 4, resourceName: 'kafka-cluster', principal: 'User:ANONYMOUS' },
  ...{ host: '127.0.0.1', operation: 2 },
});

export async function acls(side: Side): Promise<void> {
  await side.quietly('CreateAcls', 3, { creations: [ours] });
  for (const version of VERSIONS) {
    const create = (...creations: Loose[]) => side.ask('CreateAcls', version, { creations });
    const list = (more: Loose = {}) =>
      side.ask('DescribeAcls', version, filter({ ...ALICE, ...more }));
    const remove = (...filters: Loose[]) => side.ask('DeleteAcls', version, { filters });
    await create();
    await create(creation(), creation({ operation: 4 }), creation());
    await create(creation());
    await create(
      creation({ resourceName: 'a', resourcePatternType: 4 }),
      creation({ resourceName: '*' }),
      creation({ resourceName: 'a1', permissionType: 2, host: '10.0.0.1' }),
    );
    const settled = (count: number) =>
      side.settle('DescribeAcls', 3, filter(ALICE), (a) => {
        const found = a.resources.reduce((sum: number, r: any) => sum + r.acls.length, 0);
        return found === count;
      });
    await settled(5);
    const names = { resourceTypeFilter: 2, resourceNameFilter: 'a1' };
    for (const patternTypeFilter of [1, 2, 3, 4, 5, 0]) await list({ ...names, patternTypeFilter });
    await list({ operation: 4 });
    await list({ permissionType: 2 });
    await list({ hostFilter: '10.0.0.1' });
    await list({ resourceTypeFilter: 77 });
    await list({ resourceTypeFilter: 0 });
    await list({ operation: 77 });
    await list({ operation: 0 });
    await remove();
    await remove(filter({ resourceTypeFilter: 77 }), filter({ operation: 77 }));
    await remove(filter({ permissionType: 0 }));
    await remove(
      filter({ ...ALICE, operation: 4 }),
      filter({ ...ALICE, ...names, patternTypeFilter: 2 }),
    );
    await settled(0);
    await list();
    await remove(filter(ALICE));
    await settled(0);
    await list();
    for (const more of odd) {
      await create(creation(more), creation({ resourceName: 'beside' }));
      await remove(
        filter({ resourceNameFilter: 'beside' }),
        filter({ ...ALICE, resourceNameFilter: 'a1' }),
      );
      const gone = ['', 'a', 'kafka-cluster'].map((resourceNameFilter) =>
        filter({ ...ALICE, resourceNameFilter }),
      );
      await remove(...gone, filter({ principalFilter: more['principal'] ?? 'User:x' }));
    }
  }
}

type Op = readonly [key: string, value: number | null];
const entry = (entity: Loose, ...ops: Op[]): Loose => ({
  entity: Object.entries(entity).map(([entityType, entityName]) => ({ entityType, entityName })),
  ops: ops.map(([key, value]) => ({ key, value: value ?? 0, remove: value === null })),
});

/** Rates that nobody reaches: these clients are asked on. */
const RATE = 1e9;

export async function quotas(side: Side): Promise<void> {
  for (const version of [0, 1]) {
    const alter = (entries: Loose[], more: Loose = {}) =>
      side.ask('AlterClientQuotas', version, { entries, ...more });
    const list = (components: Loose[] = [], strict = false) =>
      side.ask('DescribeClientQuotas', version, { components, strict });
    const part = (entityType: string, matchType: number, match: string | null = null) => ({
      ...{ entityType, matchType, match },
    });
    await alter([]);
    await alter([
      entry({ user: 'u' }, ['producer_byte_rate', RATE], ['request_percentage', 12_345.5]),
      entry({ user: 'u', 'client-id': 'c' }, ['consumer_byte_rate', RATE]),
      entry({ user: null, 'client-id': 'c' }, ['controller_mutation_rate', RATE]),
      entry({ 'client-id': null }, ['producer_byte_rate', RATE]),
      entry({ ip: '10.1.2.3' }, ['connection_creation_rate', 1000]),
      entry({ ip: null }, ['connection_creation_rate', 2000]),
    ]);
    const settled = (count: number) =>
      side.settle('DescribeClientQuotas', 0, { components: [] }, (a) => a.entries.length === count);
    await settled(6);
    await list();
    for (const strict of [false, true]) {
      await list([part('user', 0, 'u')], strict);
      await list([part('user', 1)], strict);
      await list([part('user', 2)], strict);
      await list([part('user', 0, 'u'), part('client-id', 0, 'c')], strict);
      await list([part('client-id', 2)], strict);
      await list([part('ip', 2)], strict);
      await list([part('ip', 0, '10.1.2.3')], strict);
      await list([], strict);
    }
    await list([part('planet', 2)]);
    await list([part('', 2)]);
    await list([part('user', 2), part('user', 1)]);
    await list([part('ip', 2), part('user', 1)]);
    await list([part('user', 0)]);
    await list([part('user', 1, 'u')]);
    await list([part('user', 2, 'u')]);
    await list([part('user', 3)]);
    await list([part('user', -1)]);
    await alter([entry({ user: 'v' }, ['producer_byte_rate', 5])], { validateOnly: true });
    for (const value of [0, -1, 1.5, 2 ** 70, Number.NaN, Number.POSITIVE_INFINITY]) {
      await alter([entry({ user: 'v' }, ['producer_byte_rate', value])], { validateOnly: true });
      await alter([entry({ user: 'v' }, ['request_percentage', value])], { validateOnly: true });
      await alter([entry({ ip: null }, ['connection_creation_rate', value])], {
        validateOnly: true,
      });
    }
    await alter([entry({}, ['producer_byte_rate', 1])]);
    await alter([entry({ user: '' }, ['producer_byte_rate', 1])]);
    await alter([entry({ planet: 'x' }, ['producer_byte_rate', 1])]);
    await alter([entry({ user: 'v' }, ['nonsense', 1])]);
    await alter([entry({ user: 'v' }, ['nonsense', null])]);
    await alter([entry({ user: 'v' })]);
    await alter([entry({ user: 'v' }, ['connection_creation_rate', 1])]);
    await alter([entry({ ip: '10.1.2.3' }, ['producer_byte_rate', 1])]);
    await alter([entry({ ip: '10.1.2.3', user: 'v' }, ['connection_creation_rate', 1])]);
    await alter([entry({ user: 'v' }, ['producer_byte_rate', RATE], ['producer_byte_rate', 7])]);
    await alter([
      entry({ user: 'u' }, ['producer_byte_rate', null], ['request_percentage', null]),
      entry({ 'client-id': 'c', user: 'u' }, ['consumer_byte_rate', null]),
      entry({ user: null, 'client-id': 'c' }, ['controller_mutation_rate', null]),
      entry({ 'client-id': null }, ['producer_byte_rate', null]),
      entry({ ip: '10.1.2.3' }, ['connection_creation_rate', null]),
      entry({ ip: null }, ['connection_creation_rate', null]),
    ]);
    await settled(0);
    await list();
  }
}

/** From 127.0.0.1 everything is allowed, from 127.0.0.2 nothing, or what `more` adds. */
async function keepOut(side: Side, more: Loose[] = []): Promise<Asked> {
  const id = await side.makeTopic('there');
  const all = { principal: 'User:ANONYMOUS', host: '127.0.0.1', operation: 2 };
  const creations = [
    creation({ ...all, resourceName: '*' }),
    creation({ ...all, resourceType: 3, resourceName: '*' }),
    creation({ ...all, resourceType: 5, resourceName: '*' }),
    creation({ ...all, resourceType: 4, resourceName: 'kafka-cluster' }),
    ...more,
  ];
  const client = await WireClient.connect(side.port, '127.0.0.1', '127.0.0.2');
  await side.quietly('CreateAcls', 3, { creations });
  // Brokers hear of it a moment later.
  await side.settle(
    'Metadata',
    9,
    { topics: [{ name: 'there' }] },
    (a) => a.topics[0].errorCode === 0,
  );
  await until(async () => {
    const answer = await side.quietly('Metadata', 9, { topics: null }, client);
    return answer.topics.length === 0;
  });
  await client.close();
  return { topic: 'there', id };
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** By key; what both serve. */
export type Ranges = ReadonlyMap<number, { readonly min: number; readonly max: number }>;

export async function rangesOf(sides: readonly Side[]): Promise<Ranges> {
  const ranges = new Map<number, { min: number; max: number }>();
  for (const side of sides) {
    const { apiKeys } = await side.quietly('ApiVersions', 0, {});
    for (const { apiKey, minVersion, maxVersion } of apiKeys) {
      const known = ranges.get(apiKey) ?? { min: 0, max: Infinity };
      ranges.set(apiKey, {
        min: Math.max(known.min, minVersion),
        max: Math.min(known.max, maxVersion),
      });
    }
  }
  return ranges;
}

export async function refused(side: Side, ranges: Ranges): Promise<void> {
  await side.settle('FindCoordinator', 4, { coordinatorKeys: ['g'] }, (a) =>
    a.coordinators.every((c: any) => c.errorCode === 0),
  );
  const asked = await keepOut(side);
  for (const [name, row] of Object.entries(refusals)) {
    const api = apiByName.get(name);
    const isPeers = row?.answer === forPeers.answer;
    if (row === null || api === undefined || isPeers) continue;
    const range = ranges.get(api.key);
    if (range === undefined) throw new Error(`nobody serves ${name}`);
    // Kafka says that it serves Produce from 0 on, and does from 3 on.
    const min = name === 'Produce' ? 3 : range.min;
    const client = await WireClient.connect(side.port, '127.0.0.1', '127.0.0.2');
    for (let version = min; version <= range.max; version++) {
      await side.ask(name, version, refusedRequest(name, version, asked), 'without rights', client);
    }
    await client.close();
  }
  const client = await WireClient.connect(side.port, '127.0.0.1', '127.0.0.2');
  const all = { topics: null };
  for (const version of [1, 5, 8, 12]) await side.ask('Metadata', version, all, 'all', client);
  const byId = { topics: [{ topicId: asked.id, name: null }] };
  await side.ask('Metadata', 12, byId, 'by id', client);
  await side.ask('DeleteTopics', 6, { ...byId, timeoutMs: 5000 }, 'by id', client);
  await client.close();
}
