import { describe, expect, it } from 'vitest';
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../../../src/protocol/stored/consumer-protocol.ts';
import { groupMetadataKey } from '../../../src/protocol/stored/group-metadata.ts';
import { offsetCommitKey, offsetCommitValue } from '../../../src/protocol/stored/offset-commit.ts';
import {
  decodeVersioned,
  encodeVersioned,
  storedVersion,
} from '../../../src/protocol/stored/versioned.ts';

describe('stored messages', () => {
  it('are led by their version, which tells keys apart', () => {
    const offset = encodeVersioned(offsetCommitKey, 1, { group: 'g', topic: 't', partition: 3 });
    expect(offset.toString('hex')).toBe('0001' + '000167' + '000174' + '00000003');
    const group = encodeVersioned(groupMetadataKey, 2, { group: 'g' });
    expect(group.toString('hex')).toBe('0002' + '000167');
    expect([storedVersion(offset), storedVersion(group)]).toEqual([1, 2]);
    expect(decodeVersioned(groupMetadataKey, group)).toEqual({ group: 'g' });
  });

  it('lose what their version has no place for', () => {
    const value = {
      offset: 5,
      leaderEpoch: 2,
      metadata: 'm',
      commitTimestamp: 1000,
      expireTimestamp: 2000,
      topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
    };
    const back = (version: number) =>
      decodeVersioned(offsetCommitValue, encodeVersioned(offsetCommitValue, version, value));
    const zero = 'AAAAAAAAAAAAAAAAAAAAAA';
    expect(back(0)).toEqual({ ...value, leaderEpoch: -1, expireTimestamp: -1, topicId: zero });
    expect(back(1)).toEqual({ ...value, leaderEpoch: -1, topicId: zero });
    expect(back(3)).toEqual({ ...value, expireTimestamp: -1, topicId: zero });
    expect(back(4)).toEqual({ ...value, expireTimestamp: -1 });
  });

  it('of the consumer protocol are read in later versions, which only append', () => {
    const subscription = {
      topics: ['a', 'b'],
      userData: null,
      ownedPartitions: [{ topic: 'a', partitions: [0, 1] }],
      generationId: 4,
      rackId: 'r',
    };
    const v3 = encodeVersioned(consumerProtocolSubscription, 3, subscription);
    const v9 = Buffer.concat([v3, Buffer.from('more')]);
    v9.writeInt16BE(9);
    expect(decodeVersioned(consumerProtocolSubscription, v9)).toEqual(subscription);
  });

  it('are refused with a RangeError when they are cut, empty or of a negative version', () => {
    const bytes = encodeVersioned(consumerProtocolAssignment, 0, {
      assignedPartitions: [{ topic: 'a', partitions: [1] }],
      userData: Buffer.from('u'),
    });
    for (let length = 0; length < bytes.length; length++) {
      const cut = bytes.subarray(0, length);
      expect(() => decodeVersioned(consumerProtocolAssignment, cut)).toThrow(RangeError);
    }
    bytes.writeInt16BE(-1);
    expect(() => decodeVersioned(consumerProtocolAssignment, bytes)).toThrow(RangeError);
  });
});
