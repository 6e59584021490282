import { describe, expect, it } from 'vitest';
import { CompressionType } from '../../../src/protocol/compression.ts';
import { attributes, compressionOf } from '../../../src/protocol/record-batch.ts';
import { batchOf, bytesOf, makeRig, NO_BOUND, numbered, readAll } from './support.ts';

const VALUES = numbered(200).map(
  (value) => `${value} ${'some words, again and again; '.repeat(4)}`,
);

describe('a topic with a compression.type of its own', () => {
  const storedWith = async (
    config: Parameters<typeof makeRig>[0],
    compression: keyof typeof CompressionType,
  ): Promise<{ sent: Buffer; stored: Buffer; values: string[] }> => {
    const { log } = await makeRig(config).open();
    const sent = batchOf(VALUES, { compression: CompressionType[compression] });
    log.append(Buffer.from(sent), { leaderEpoch: 0, origin: 'client' });
    const stored = bytesOf(log.read(0, 1e6, NO_BOUND));
    return { sent, stored, values: [...readAll(log, 1e6).values()] };
  };

  it.each(['uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'] as const)(
    'stores %s whatever came',
    async (compressionType) => {
      for (const sent of Object.keys(CompressionType) as (keyof typeof CompressionType)[]) {
        const { stored, values } = await storedWith({ compressionType }, sent);
        const wanted = compressionType === 'uncompressed' ? 'none' : compressionType;
        expect(compressionOf(attributes(stored, 0))).toBe(CompressionType[wanted]);
        expect(values).toEqual(VALUES);
      }
    },
  );

  it('leaves batches as they came that have the codec already, and all with producer', async () => {
    for (const compressionType of ['gzip', 'producer'] as const) {
      const { sent, stored } = await storedWith({ compressionType, compressionLevel: 1 }, 'gzip');
      // But for the leader's epoch, which is written into every batch.
      expect(stored.subarray(16).equals(sent.subarray(16))).toBe(true);
    }
  });

  it.each(['gzip', 'zstd'] as const)('packs %s as hard as its level says', async (codec) => {
    const size = async (compressionLevel: number): Promise<number> =>
      (await storedWith({ compressionType: codec, compressionLevel }, 'none')).stored.length;
    expect(await size(9)).toBeLessThan(await size(1));
  });
});
