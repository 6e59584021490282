import { describe, expect, it } from 'vitest';
import { apiByName, apis } from '../../../src/protocol/apis.ts';
import type { Spec } from '../../../src/protocol/schema.ts';

/** Name, key, lowest and highest version, first flexible version. */
const EXPECTED = `Produce 0 0-13 9|Fetch 1 4-18 12|ListOffsets 2 0-11 6|Metadata 3 0-13 9
OffsetCommit 8 2-10 8|OffsetFetch 9 1-10 6|FindCoordinator 10 0-6 3|JoinGroup 11 0-9 6
Heartbeat 12 0-4 4|LeaveGroup 13 0-5 4|SyncGroup 14 0-5 4|DescribeGroups 15 0-6 5|ListGroups 16 0-5 3
SaslHandshake 17 0-1 Infinity|ApiVersions 18 0-5 3|CreateTopics 19 0-7 5|DeleteTopics 20 0-6 4
DeleteRecords 21 0-2 2|InitProducerId 22 0-5 2|OffsetForLeaderEpoch 23 2-4 4|AddPartitionsToTxn 24 0-5 3|AddOffsetsToTxn 25 0-4 3|EndTxn 26 0-5 3|WriteTxnMarkers 27 1-2 1|TxnOffsetCommit 28 0-5 3|DescribeAcls 29 0-3 2|CreateAcls 30 0-3 2|DeleteAcls 31 0-3 2|DescribeConfigs 32 0-4 4
AlterConfigs 33 0-2 2|AlterReplicaLogDirs 34 0-2 2|DescribeLogDirs 35 0-5 2|SaslAuthenticate 36 0-2 2|CreatePartitions 37 0-3 2
DeleteGroups 42 0-2 2|ElectLeaders 43 0-2 2|IncrementalAlterConfigs 44 0-1 1|AlterPartitionReassignments 45 0-1 0|ListPartitionReassignments 46 0-0 0|OffsetDelete 47 0-0 Infinity|DescribeClientQuotas 48 0-1 1|AlterClientQuotas 49 0-1 1
DescribeUserScramCredentials 50 0-0 0|AlterUserScramCredentials 51 0-0 0|Vote 52 0-2 0|BeginQuorumEpoch 53 0-1 1|EndQuorumEpoch 54 0-1 1|DescribeQuorum 55 0-2 0|AlterPartition 56 2-3 0|UpdateFeatures 57 0-2 0|Envelope 58 0-0 0|FetchSnapshot 59 0-1 0
DescribeCluster 60 0-2 0|DescribeProducers 61 0-0 0|BrokerRegistration 62 0-4 0|BrokerHeartbeat 63 0-1 0|UnregisterBroker 64 0-0 0|DescribeTransactions 65 0-0 0|ListTransactions 66 0-2 0|AllocateProducerIds 67 0-0 0|ConsumerGroupHeartbeat 68 0-1 0|ConsumerGroupDescribe 69 0-1 0|GetTelemetrySubscriptions 71 0-0 0|PushTelemetry 72 0-0 0|AssignReplicasToDirs 73 0-0 0|ListConfigResources 74 0-1 0|DescribeTopicPartitions 75 0-0 0`;

function tagsOf(spec: Spec): number[] {
  return spec.fields.map(([, f]) => f.tag).filter((tag) => tag >= 0);
}

function eachStruct(spec: Spec, visit: (struct: Spec) => void): void {
  if (spec.kind === 'struct') visit(spec);
  if (spec.item !== null) eachStruct(spec.item, visit);
  for (const [, f] of spec.fields) eachStruct(f, visit);
}

describe('the table of APIs', () => {
  it('has the versions that Weir serves', () => {
    const seen = [...apis.values()].map(
      (a) => `${a.name} ${a.key} ${a.min}-${a.max} ${a.flexible}`,
    );
    expect(seen).toEqual(EXPECTED.split(/[|\n]/));
  });

  it('has requests and answers of the same key, versions and name', () => {
    for (const a of apis.values()) {
      const { api, min, max, flexible } = a.response;
      expect({ api, min, max, flexible }).toEqual({
        api: a.key,
        min: a.min,
        max: a.max,
        flexible: a.flexible,
      });
      expect([a.request.name, a.response.name]).toEqual([`${a.name}Request`, `${a.name}Response`]);
      expect(apiByName.get(a.name)).toBe(a);
    }
  });

  it('uses no tag twice in a struct, and every version has at least one field', () => {
    for (const a of apis.values()) {
      for (const m of [a.request, a.response]) {
        eachStruct(m.body.spec, (s) => {
          const tags = tagsOf(s);
          expect(new Set(tags).size, m.name).toBe(tags.length);
          expect(s.fields.length).toBeGreaterThan(0);
        });
      }
    }
  });
});
