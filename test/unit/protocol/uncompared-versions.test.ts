/**
 * The versions that Apache Kafka 4.3.1's classes lack (see `interop/protocol-java.test.ts`), written
 * out by hand from the protocol guides of 3.9 and 4.4.
 */
import { describe, expect, it } from 'vitest';
import { decode, encode } from '../../../src/protocol/codec.ts';
import { produceRequest, produceResponse } from '../../../src/protocol/messages/00-produce.ts';
import {
  listOffsetsRequest,
  listOffsetsResponse,
} from '../../../src/protocol/messages/02-list-offsets.ts';
import {
  apiVersionsRequest,
  apiVersionsResponse,
} from '../../../src/protocol/messages/18-api-versions.ts';
import {
  createTopicsRequest,
  createTopicsResponse,
} from '../../../src/protocol/messages/19-create-topics.ts';
import {
  deleteTopicsRequest,
  deleteTopicsResponse,
} from '../../../src/protocol/messages/20-delete-topics.ts';
import {
  describeAclsRequest,
  describeAclsResponse,
} from '../../../src/protocol/messages/29-describe-acls.ts';
import {
  createAclsRequest,
  createAclsResponse,
} from '../../../src/protocol/messages/30-create-acls.ts';
import {
  deleteAclsRequest,
  deleteAclsResponse,
} from '../../../src/protocol/messages/31-delete-acls.ts';
import {
  describeConfigsRequest,
  describeConfigsResponse,
} from '../../../src/protocol/messages/32-describe-configs.ts';
import {
  alterReplicaLogDirsRequest,
  alterReplicaLogDirsResponse,
} from '../../../src/protocol/messages/34-alter-replica-log-dirs.ts';
import {
  describeLogDirsRequest,
  describeLogDirsResponse,
} from '../../../src/protocol/messages/35-describe-log-dirs.ts';
import type { Infer, Message } from '../../../src/protocol/schema.ts';
import { notInKafka } from '../../interop/differential/coverage.ts';

const shown = new Set<string>();

/** Reads `hex` (spaces between the fields), checks that it comes back, and returns the value. */
function both<M extends Message<any>>(m: M, version: number, hex: string): Infer<M> {
  const bytes = Buffer.from(hex.replaceAll(/\s/g, ''), 'hex');
  const value = decode(m, version, bytes);
  shown.add(`${m.name} ${version}`);
  expect(encode(m, version, value).toString('hex')).toBe(bytes.toString('hex'));
  return value;
}

describe('versions before and after those of Kafka 4.3', () => {
  it('Produce 0-2 have no transactional id, and their answers grow', () => {
    const hex = 'ffff 000003e8 00000001 000174 00000001 00000002 00000003 616263';
    for (const version of [0, 1, 2]) {
      const request = both(produceRequest, version, hex);
      expect(request).toMatchObject({ transactionalId: null, acks: -1, timeoutMs: 1000 });
      expect(request.topicData[0]!.partitionData[0]!.records?.length).toBe(3);
    }
    const answer = '00000001 000174 00000001 00000002 0003 0000000000000007';
    expect(both(produceResponse, 0, answer).responses[0]!.partitionResponses[0]).toMatchObject({
      index: 2,
      errorCode: 3,
      baseOffset: 7,
    });
    expect(both(produceResponse, 1, `${answer} 00000009`).throttleTimeMs).toBe(9);
    const stamped = both(produceResponse, 2, `${answer} 000000000000000b 00000009`);
    expect(stamped.responses[0]!.partitionResponses[0]!.logAppendTimeMs).toBe(11);
  });

  it('ListOffsets 0 asks for a number of offsets and gets a list', () => {
    const request = both(
      listOffsetsRequest,
      0,
      'ffffffff 00000001 000174 00000001 00000002 fffffffffffffffe 00000005',
    );
    const [asked] = request.topics[0]!.partitions;
    expect(asked).toMatchObject({ partitionIndex: 2, timestamp: -2, maxNumOffsets: 5 });
    const response = both(
      listOffsetsResponse,
      0,
      '00000001 000174 00000001 00000002 0000 00000002 0000000000000009 0000000000000000',
    );
    expect(response.topics[0]!.partitions[0]!.oldStyleOffsets).toEqual([9, 0]);
  });

  it('CreateTopics 0 has no validation alone, its answer no texts', () => {
    const topic = '00000001 000174 00000003 0001 00000000 00000001 000161 000162';
    const request = both(createTopicsRequest, 0, `${topic} 0000ea60`);
    expect(request.topics[0]).toMatchObject({ name: 't', numPartitions: 3, replicationFactor: 1 });
    expect([request.timeoutMs, request.validateOnly]).toEqual([60_000, false]);
    expect(both(createTopicsRequest, 1, `${topic} 0000ea60 01`).validateOnly).toBe(true);
    const answer = both(createTopicsResponse, 0, '00000001 000174 0024');
    expect(answer.topics[0]).toMatchObject({ name: 't', errorCode: 36 });
    const later = both(createTopicsResponse, 1, '00000001 000174 0024 000178');
    expect(later.topics[0]!.errorMessage).toBe('x');
  });

  it('DeleteTopics 0 has no throttle time', () => {
    const request = both(deleteTopicsRequest, 0, '00000001 000174 000003e8');
    expect(request).toMatchObject({ topicNames: ['t'], timeoutMs: 1000, topics: [] });
    const answer = both(deleteTopicsResponse, 0, '00000001 000174 0003');
    expect(answer.responses[0]).toMatchObject({ name: 't', errorCode: 3 });
  });

  it('of ACLs, version 0 knows literal patterns alone', () => {
    const filter = '02 000174 ffff ffff 03 01';
    expect(both(describeAclsRequest, 0, filter)).toMatchObject({
      resourceTypeFilter: 2,
      resourceNameFilter: 't',
      patternTypeFilter: 3,
      principalFilter: null,
    });
    expect(both(deleteAclsRequest, 0, `00000001 ${filter}`).filters[0]).toMatchObject({
      patternTypeFilter: 3,
      permissionType: 1,
    });
    const rule = '000155 00012a 03 03';
    const created = both(createAclsRequest, 0, `00000001 02 000174 ${rule}`);
    expect(created.creations[0]).toMatchObject({ resourcePatternType: 3, host: '*', operation: 3 });
    const found = `00000000 0000 ffff 00000001 02 000174 00000001 ${rule}`;
    expect(both(describeAclsResponse, 0, found).resources[0]!.acls[0]!.principal).toBe('U');
    const gone = `00000000 00000001 0000 ffff 00000001 0000 ffff 02 000174 ${rule}`;
    expect(both(deleteAclsResponse, 0, gone).filterResults[0]!.matchingAcls).toHaveLength(1);
    expect(both(createAclsResponse, 0, '00000000 00000001 002a 000178').results).toEqual([
      { errorCode: 42, errorMessage: 'x' },
    ]);
  });

  it('DescribeConfigs 0 tells whether a value is the default, and no source', () => {
    const request = both(describeConfigsRequest, 0, '00000001 02 000174 ffffffff');
    expect(request.resources[0]).toEqual({
      resourceType: 2,
      resourceName: 't',
      configurationKeys: null,
    });
    const answer = both(
      describeConfigsResponse,
      0,
      '00000000 00000001 0000 ffff 02 000174 00000001 00016e 000176 00 01 00',
    );
    const [config] = answer.results[0]!.configs;
    expect(config).toMatchObject({ name: 'n', value: 'v', readOnly: false, isDefault: true });
    expect(config!.isSensitive).toBe(false);
  });

  it('DescribeLogDirs 0 has no sizes of the volume', () => {
    expect(both(describeLogDirsRequest, 0, 'ffffffff').topics).toBeNull();
    const answer = both(
      describeLogDirsResponse,
      0,
      '00000000 00000001 0000 00022f64 00000001 000174 00000001 00000000 0000000000000064 0000000000000000 00',
    );
    expect(answer.results[0]).toMatchObject({ logDir: '/d', totalBytes: -1, usableBytes: -1 });
    expect(answer.results[0]!.topics[0]!.partitions[0]!.partitionSize).toBe(100);
  });

  it('ApiVersions 5 says whom the client expects', () => {
    const request = both(apiVersionsRequest, 5, '0261 0262 0263 00000007 00');
    expect(request).toEqual({
      clientSoftwareName: 'a',
      clientSoftwareVersion: 'b',
      clusterId: 'c',
      nodeId: 7,
    });
    expect(both(apiVersionsRequest, 5, '0261 0262 00 ffffffff 00').clusterId).toBeNull();
    const answer = both(apiVersionsResponse, 5, '0000 02 0012 0000 0005 00 00000000 00');
    expect(answer.apiKeys).toEqual([{ apiKey: 18, minVersion: 0, maxVersion: 5 }]);
  });

  it('AlterReplicaLogDirs 0 is what it was to become', () => {
    const request = both(
      alterReplicaLogDirsRequest,
      0,
      '00000001 00022f64 00000001 000174 00000001 00000005',
    );
    expect(request.dirs).toEqual([{ path: '/d', topics: [{ name: 't', partitions: [5] }] }]);
    const answer = both(
      alterReplicaLogDirsResponse,
      0,
      '00000007 00000001 000174 00000001 00000005 0039',
    );
    expect(answer.throttleTimeMs).toBe(7);
    expect(answer.results[0]!.partitions).toEqual([{ partitionIndex: 5, errorCode: 57 }]);
  });

  it('are all shown here', () => {
    const all = [...notInKafka].flatMap(([api, versions]) =>
      versions.flatMap((version) => [`${api}Request ${version}`, `${api}Response ${version}`]),
    );
    expect([...shown].sort()).toEqual(all.sort());
  });
});
