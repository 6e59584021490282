import { describe, expect, it } from 'vitest';
import {
  type Change,
  changeRecord,
  readChange,
} from '../../../../src/coordinator/consumer/changes.ts';
import type { MemberMetadata } from '../../../../src/coordinator/consumer/consumer-member.ts';

const member: MemberMetadata = {
  instanceId: null,
  rackId: null,
  clientId: 'c',
  clientHost: '/h',
  topics: ['t'],
  regex: null,
  rebalanceTimeoutMs: 5,
  assignor: null,
  classic: null,
};

const change = (value: MemberMetadata): Change => ({ kind: 'member', id: 'm', value });
/** Version, client, host, topics and timeout of the member above, up to its tagged fields. */
const FIELDS = '0000 00 00 0263 032f68 02 0274 00 00000005 00'.replaceAll(' ', '');

const read = (value: string) => {
  const { key } = changeRecord('g', change(member));
  return readChange(key, Buffer.from(value.replaceAll(' ', ''), 'hex'))?.change;
};

describe('the record of a member', () => {
  it('says that it does not speak the classic protocol, as Kafka does', () => {
    const { value } = changeRecord('g', change(member));
    expect(value?.toString('hex')).toBe(`${FIELDS}01000100`);
    expect(read(`${FIELDS} 01 00 01 00`)).toEqual(change(member));
  });

  it('that says nothing of that is of one that does not', () => {
    expect(read(`${FIELDS} 00`)).toEqual(change(member));
  });

  it('holds the protocols of one that does', () => {
    const protocols = [{ name: 'range', metadata: Buffer.from('ab') }];
    const classic = { ...member, classic: { sessionTimeoutMs: 7, protocols } };
    const stored = `${FIELDS} 01 00 11 01 00000007 02 0672616e6765 03 6162 00 00`;
    const { value } = changeRecord('g', change(classic));
    expect(value?.toString('hex')).toBe(stored.replaceAll(' ', ''));
    expect(read(stored)).toEqual(change(classic));
  });
});
