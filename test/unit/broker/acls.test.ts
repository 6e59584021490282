import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { type RunningBroker, startBroker, WireClient } from './fixture.ts';

const STANDARD = 'org.apache.kafka.metadata.authorizer.StandardAuthorizer';

const creation = (more: object = {}) => ({
  resourceType: 2,
  resourceName: 't',
  resourcePatternType: 3,
  principal: 'User:alice',
  host: '*',
  operation: 3,
  permissionType: 3,
  ...more,
});
const ANY = { resourceTypeFilter: 1, patternTypeFilter: 1, operation: 1, permissionType: 1 };
const anyFilter = (more: object = {}) => ({
  ...ANY,
  resourceNameFilter: null,
  principalFilter: null,
  hostFilter: null,
  ...more,
});

describe('ACLs', () => {
  let running: RunningBroker;
  let client: WireClient;
  beforeAll(async () => {
    running = await startBroker({
      'authorizer.class.name': STANDARD,
      'super.users': 'User:ANONYMOUS',
    });
    client = await WireClient.connect(running.port);
  });
  afterAll(() => running.stop());

  const create = (...creations: object[]) => client.request('CreateAcls', 3, { creations });
  const found = async (more: object = {}): Promise<any[]> =>
    (await client.request('DescribeAcls', 3, anyFilter(more))).resources;
  const clear = () => client.request('DeleteAcls', 3, { filters: [anyFilter()] });

  it('are created once, found by resource, and removed with the names of what is gone', async () => {
    const both = [creation(), creation({ operation: 4 })];
    const { results } = await create(...both, creation());
    expect(results.map((r: any) => r.errorCode)).toEqual([0, 0, 0]);
    expect((await create(creation())).results).toEqual([{ errorCode: 0, errorMessage: '' }]);
    expect(await found()).toEqual([
      {
        resourceType: 2,
        resourceName: 't',
        patternType: 3,
        acls: [
          { principal: 'User:alice', host: '*', operation: 3, permissionType: 3 },
          { principal: 'User:alice', host: '*', operation: 4, permissionType: 3 },
        ],
      },
    ]);
    const filters = [anyFilter({ operation: 4 }), anyFilter({ principalFilter: 'User:bob' })];
    const { filterResults } = await client.request('DeleteAcls', 3, { filters });
    expect(filterResults.map((r: any) => r.matchingAcls.length)).toEqual([1, 0]);
    expect(filterResults[0].matchingAcls[0]).toMatchObject({ resourceName: 't', operation: 4 });
    expect((await found())[0].acls).toHaveLength(1);
    await clear();
    expect(await found()).toEqual([]);
  });

  it('that match a name are found by pattern', async () => {
    await create(
      creation({ resourceName: 'abc' }),
      creation({ resourceName: 'ab', resourcePatternType: 4 }),
      creation({ resourceName: '*' }),
      creation({ resourceName: 'abcd' }),
    );
    const names = async (patternTypeFilter: number): Promise<string[]> => {
      const resources = await found({ resourceNameFilter: 'abc', patternTypeFilter });
      return resources.map((r) => r.resourceName).sort((a, b) => (a < b ? -1 : 1));
    };
    expect(await names(3)).toEqual(['abc']);
    expect(await names(1)).toEqual(['abc']);
    expect(await names(2)).toEqual(['*', 'ab', 'abc']);
    expect(await names(4)).toEqual([]);
    await clear();
  });

  it.each([
    [
      { resourceType: 4, resourceName: 'x' },
      'The only valid name for the CLUSTER resource is kafka-cluster',
    ],
    [{ resourceName: '' }, 'Invalid empty resource name'],
    [{ resourceType: 77 }, 'Invalid resourceType UNKNOWN'],
    [{ resourcePatternType: 77 }, 'Invalid patternType UNKNOWN'],
    [{ operation: 77 }, 'Invalid operation UNKNOWN'],
    [{ permissionType: 77 }, 'Invalid permissionType UNKNOWN'],
    [
      { principal: 'alice' },
      'Could not parse principal from `alice` (no colon is present separating the principal type from the principal name)',
    ],
  ])('with %j are refused, and the others of the request are made', async (wrong, errorMessage) => {
    const { results } = await create(creation(wrong), creation());
    expect(results).toEqual([
      { errorCode: ErrorCode.INVALID_REQUEST, errorMessage },
      { errorCode: 0, errorMessage: '' },
    ]);
    expect(await found()).toHaveLength(1);
    await clear();
  });

  it('with a kind that stands for nothing close the connection', async () => {
    const other = await WireClient.connect(running.port);
    const none = creation({ operation: 0 });
    expect(await other.tryRequest('CreateAcls', 3, { creations: [none] })).toBeNull();
    expect(await found()).toEqual([]);
  });

  it('are refused when a filter is wrong', async () => {
    const filters = [anyFilter({ resourceTypeFilter: 77 }), anyFilter({ operation: 77 })];
    const { filterResults } = await client.request('DeleteAcls', 3, { filters });
    expect(filterResults.map((r: any) => [r.errorCode, r.errorMessage])).toEqual([
      [ErrorCode.INVALID_REQUEST, 'Unknown patternFilter.'],
      [ErrorCode.INVALID_REQUEST, 'Unknown entryFilter.'],
    ]);
  });

  it('are not taken away more than 10,000 at once, and then none', async () => {
    const some = (from: number) =>
      create(
        ...Array.from({ length: 6000 }, (_, i) => creation({ principal: `User:${from + i}` })),
      );
    await some(0);
    await some(6000);
    const { filterResults } = await clear();
    expect(filterResults[0].errorCode).toBe(ErrorCode.INVALID_REQUEST);
    expect((await found())[0].acls).toHaveLength(12_000);
    for (const principalFilter of ['User:0', 'User:11999']) {
      const one = await client.request('DeleteAcls', 3, {
        filters: [anyFilter({ principalFilter })],
      });
      expect(one.filterResults[0].matchingAcls).toHaveLength(1);
    }
  });

  it('survive a restart', async () => {
    await client.close();
    running = await running.restart();
    client = await WireClient.connect(running.port);
    expect((await found())[0].acls).toHaveLength(11_998);
  });
});

describe('without an authorizer', () => {
  let running: RunningBroker;
  let client: WireClient;
  beforeAll(async () => {
    running = await startBroker();
    client = await WireClient.connect(running.port);
  });
  afterAll(() => running.stop());

  it('there are no ACLs to describe, create or delete', async () => {
    const disabled = { errorCode: ErrorCode.SECURITY_DISABLED };
    expect(await client.request('DescribeAcls', 3, anyFilter())).toMatchObject({
      ...disabled,
      errorMessage: 'No Authorizer is configured on the broker',
    });
    const created = await client.request('CreateAcls', 3, { creations: [creation(), creation()] });
    expect(created.results).toMatchObject([disabled, disabled]);
    const deleted = await client.request('DeleteAcls', 3, { filters: [anyFilter()] });
    expect(deleted.filterResults).toMatchObject([disabled]);
  });
});

it('a super user that is no principal keeps a broker from starting', async () => {
  const given = { 'authorizer.class.name': STANDARD, 'super.users': 'alice' };
  await expect(startBroker(given)).rejects.toThrow('super.users: "alice" is no principal');
});
