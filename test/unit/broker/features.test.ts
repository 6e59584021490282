import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { type RunningBroker, startBroker, WireClient } from './fixture.ts';

const ELR = 'eligible.leader.replicas.version';
const [UPGRADE, SAFE, UNSAFE] = [1, 2, 3];

let running: RunningBroker;
let client: WireClient;
beforeAll(async () => {
  running = await startBroker();
  client = await WireClient.connect(running.port);
});
afterAll(async () => {
  await client.close();
  await running.stop();
});

const told = (version: number): Promise<any> =>
  client.request('ApiVersions', version, {
    clientSoftwareName: 'test',
    clientSoftwareVersion: '1',
  });
const levels = async (): Promise<Map<string, number>> =>
  new Map((await told(4)).finalizedFeatures.map((f: any) => [f.name, f.maxVersionLevel]));
const update = (
  feature: string,
  maxVersionLevel: number,
  upgradeType = UPGRADE,
  version = 2,
  more: object = {},
): Promise<any> =>
  client.request('UpdateFeatures', version, {
    featureUpdates: [{ feature, maxVersionLevel, upgradeType }],
    ...more,
  });

describe('the features of the cluster', () => {
  it('are told with the range that this broker supports and the level in force', async () => {
    const answer = await told(4);
    expect(answer.supportedFeatures).toContainEqual({
      name: 'metadata.version',
      minVersion: 7,
      maxVersion: 30,
    });
    expect(answer.supportedFeatures).toContainEqual({ name: ELR, minVersion: 0, maxVersion: 1 });
    expect(answer.finalizedFeatures).toContainEqual({
      name: 'metadata.version',
      minVersionLevel: 30,
      maxVersionLevel: 30,
    });
    expect(answer.finalizedFeaturesEpoch).toBeGreaterThan(0);
  });

  it('whose lowest level is 0 are kept from clients before version 4, which stumble over them', async () => {
    const names = (await told(3)).supportedFeatures.map((f: any) => f.name);
    expect(names).toContain('metadata.version');
    expect(names).not.toContain(ELR);
  });

  it('change by request, stay over a restart, and are told with a later epoch', async () => {
    const before = (await told(4)).finalizedFeaturesEpoch;
    expect(await update(ELR, 0, SAFE)).toMatchObject({ errorCode: 0, errorMessage: null });
    expect((await levels()).has(ELR)).toBe(false);
    expect((await told(4)).finalizedFeaturesEpoch).toBeGreaterThan(before);
    await client.close();
    running = await running.restart();
    client = await WireClient.connect(running.port);
    expect((await levels()).has(ELR)).toBe(false);
    expect((await update(ELR, 1)).errorCode).toBe(0);
    expect((await levels()).get(ELR)).toBe(1);
  });

  it('are only looked at when told to validate', async () => {
    expect((await update(ELR, 0, SAFE, 1, { validateOnly: true })).errorCode).toBe(0);
    expect((await levels()).get(ELR)).toBe(1);
  });

  it('are answered one by one up to version 1', async () => {
    expect((await update(ELR, 1, UPGRADE, 1)).results).toEqual([
      { feature: ELR, errorCode: 0, errorMessage: 'NONE' },
    ]);
    expect((await update(ELR, 1, UPGRADE, 2)).results).toEqual([]);
  });

  it.each<[string, string, number, number, string]>([
    ['an unknown one', 'no.such', 1, UPGRADE, 'does not support this feature.'],
    ['an unknown one at no level', 'no.such', 0, UPGRADE, 'Feature no.such not found.'],
    ['a level above the highest', ELR, 9, UPGRADE, 'only supports versions 0-1'],
    ['a level below 0', ELR, -1, SAFE, 'cannot be less than 0'],
    ['a lower level as an upgrade', ELR, 0, UPGRADE, "Can't downgrade the version"],
    ['a higher level as a downgrade', 'metadata.version', 31, SAFE, 'only supports versions 7-30'],
    ['a kind of change that there is not', ELR, 1, 9, 'does not support the given upgrade type'],
    ['an older form of the metadata', 'metadata.version', 29, SAFE, 'might delete metadata'],
    ['the same at any price', 'metadata.version', 29, UNSAFE, 'Unsafe metadata downgrade'],
    ['voters as they were', 'kraft.version', 0, SAFE, "Can't downgrade the version"],
  ])('do not take %s', async (_, feature, level, upgradeType, message) => {
    const before = await levels();
    const answer = await update(feature, level, upgradeType);
    expect(answer.errorCode).toBe(ErrorCode.INVALID_UPDATE_VERSION);
    expect(answer.errorMessage).toContain(message);
    expect(await levels()).toEqual(before);
  });

  it('change all together or not at all', async () => {
    const answer = await client.request('UpdateFeatures', 2, {
      featureUpdates: [
        { feature: ELR, maxVersionLevel: 0, upgradeType: SAFE },
        { feature: 'no.such', maxVersionLevel: 1 },
      ],
    });
    expect(answer.errorCode).toBe(ErrorCode.INVALID_UPDATE_VERSION);
    expect((await levels()).get(ELR)).toBe(1);
  });
});
