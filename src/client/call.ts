/** The APIs that the client uses, with their types: `calls.metadata` knows its question and answer. */
import { type Api, apis } from '../protocol/apis.ts';
import { produceRequest, produceResponse } from '../protocol/messages/00-produce.ts';
import { fetchRequest, fetchResponse } from '../protocol/messages/01-fetch.ts';
import { listOffsetsRequest, listOffsetsResponse } from '../protocol/messages/02-list-offsets.ts';
import { metadataRequest, metadataResponse } from '../protocol/messages/03-metadata.ts';
import {
  offsetCommitRequest,
  offsetCommitResponse,
} from '../protocol/messages/08-offset-commit.ts';
import { offsetFetchRequest, offsetFetchResponse } from '../protocol/messages/09-offset-fetch.ts';
import {
  findCoordinatorRequest,
  findCoordinatorResponse,
} from '../protocol/messages/10-find-coordinator.ts';
import { joinGroupRequest, joinGroupResponse } from '../protocol/messages/11-join-group.ts';
import { heartbeatRequest, heartbeatResponse } from '../protocol/messages/12-heartbeat.ts';
import { leaveGroupRequest, leaveGroupResponse } from '../protocol/messages/13-leave-group.ts';
import { syncGroupRequest, syncGroupResponse } from '../protocol/messages/14-sync-group.ts';
import {
  describeGroupsRequest,
  describeGroupsResponse,
} from '../protocol/messages/15-describe-groups.ts';
import { listGroupsRequest, listGroupsResponse } from '../protocol/messages/16-list-groups.ts';
import {
  saslHandshakeRequest,
  saslHandshakeResponse,
} from '../protocol/messages/17-sasl-handshake.ts';
import { apiVersionsRequest, apiVersionsResponse } from '../protocol/messages/18-api-versions.ts';
import {
  createTopicsRequest,
  createTopicsResponse,
} from '../protocol/messages/19-create-topics.ts';
import {
  deleteTopicsRequest,
  deleteTopicsResponse,
} from '../protocol/messages/20-delete-topics.ts';
import {
  deleteRecordsRequest,
  deleteRecordsResponse,
} from '../protocol/messages/21-delete-records.ts';
import {
  initProducerIdRequest,
  initProducerIdResponse,
} from '../protocol/messages/22-init-producer-id.ts';
import {
  addPartitionsToTxnRequest,
  addPartitionsToTxnResponse,
} from '../protocol/messages/24-add-partitions-to-txn.ts';
import {
  writeTxnMarkersRequest,
  writeTxnMarkersResponse,
} from '../protocol/messages/27-write-txn-markers.ts';
import {
  describeAclsRequest,
  describeAclsResponse,
} from '../protocol/messages/29-describe-acls.ts';
import { createAclsRequest, createAclsResponse } from '../protocol/messages/30-create-acls.ts';
import { deleteAclsRequest, deleteAclsResponse } from '../protocol/messages/31-delete-acls.ts';
import {
  describeConfigsRequest,
  describeConfigsResponse,
} from '../protocol/messages/32-describe-configs.ts';
import {
  describeLogDirsRequest,
  describeLogDirsResponse,
} from '../protocol/messages/35-describe-log-dirs.ts';
import {
  saslAuthenticateRequest,
  saslAuthenticateResponse,
} from '../protocol/messages/36-sasl-authenticate.ts';
import {
  createPartitionsRequest,
  createPartitionsResponse,
} from '../protocol/messages/37-create-partitions.ts';
import {
  deleteGroupsRequest,
  deleteGroupsResponse,
} from '../protocol/messages/42-delete-groups.ts';
import {
  electLeadersRequest,
  electLeadersResponse,
} from '../protocol/messages/43-elect-leaders.ts';
import {
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
} from '../protocol/messages/44-incremental-alter-configs.ts';
import {
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from '../protocol/messages/45-alter-partition-reassignments.ts';
import {
  listPartitionReassignmentsRequest,
  listPartitionReassignmentsResponse,
} from '../protocol/messages/46-list-partition-reassignments.ts';
import {
  offsetDeleteRequest,
  offsetDeleteResponse,
} from '../protocol/messages/47-offset-delete.ts';
import {
  describeClientQuotasRequest,
  describeClientQuotasResponse,
} from '../protocol/messages/48-describe-client-quotas.ts';
import {
  alterClientQuotasRequest,
  alterClientQuotasResponse,
} from '../protocol/messages/49-alter-client-quotas.ts';
import {
  describeUserScramCredentialsRequest,
  describeUserScramCredentialsResponse,
} from '../protocol/messages/50-describe-user-scram-credentials.ts';
import {
  alterUserScramCredentialsRequest,
  alterUserScramCredentialsResponse,
} from '../protocol/messages/51-alter-user-scram-credentials.ts';
import { voteRequest, voteResponse } from '../protocol/messages/52-vote.ts';
import {
  beginQuorumEpochRequest,
  beginQuorumEpochResponse,
} from '../protocol/messages/53-begin-quorum-epoch.ts';
import {
  endQuorumEpochRequest,
  endQuorumEpochResponse,
} from '../protocol/messages/54-end-quorum-epoch.ts';
import {
  describeQuorumRequest,
  describeQuorumResponse,
} from '../protocol/messages/55-describe-quorum.ts';
import {
  alterPartitionRequest,
  alterPartitionResponse,
} from '../protocol/messages/56-alter-partition.ts';
import { envelopeRequest, envelopeResponse } from '../protocol/messages/58-envelope.ts';
import {
  fetchSnapshotRequest,
  fetchSnapshotResponse,
} from '../protocol/messages/59-fetch-snapshot.ts';
import {
  describeClusterRequest,
  describeClusterResponse,
} from '../protocol/messages/60-describe-cluster.ts';
import {
  brokerRegistrationRequest,
  brokerRegistrationResponse,
} from '../protocol/messages/62-broker-registration.ts';
import {
  brokerHeartbeatRequest,
  brokerHeartbeatResponse,
} from '../protocol/messages/63-broker-heartbeat.ts';
import {
  unregisterBrokerRequest,
  unregisterBrokerResponse,
} from '../protocol/messages/64-unregister-broker.ts';
import {
  allocateProducerIdsRequest,
  allocateProducerIdsResponse,
} from '../protocol/messages/67-allocate-producer-ids.ts';
import {
  assignReplicasToDirsRequest,
  assignReplicasToDirsResponse,
} from '../protocol/messages/73-assign-replicas-to-dirs.ts';
import {
  describeTopicPartitionsRequest,
  describeTopicPartitionsResponse,
} from '../protocol/messages/75-describe-topic-partitions.ts';
import type { Message } from '../protocol/schema.ts';

export interface Call<Q, R> extends Api {
  readonly request: Message<Q>;
  readonly response: Message<R>;
}

const call = <Q, R>(request: Message<Q>, response: Message<R>): Call<Q, R> => ({
  ...apis.get(request.api)!,
  request,
  response,
});

export const calls = {
  produce: call(produceRequest, produceResponse),
  fetch: call(fetchRequest, fetchResponse),
  listOffsets: call(listOffsetsRequest, listOffsetsResponse),
  metadata: call(metadataRequest, metadataResponse),
  offsetCommit: call(offsetCommitRequest, offsetCommitResponse),
  offsetFetch: call(offsetFetchRequest, offsetFetchResponse),
  findCoordinator: call(findCoordinatorRequest, findCoordinatorResponse),
  joinGroup: call(joinGroupRequest, joinGroupResponse),
  heartbeat: call(heartbeatRequest, heartbeatResponse),
  leaveGroup: call(leaveGroupRequest, leaveGroupResponse),
  syncGroup: call(syncGroupRequest, syncGroupResponse),
  describeGroups: call(describeGroupsRequest, describeGroupsResponse),
  listGroups: call(listGroupsRequest, listGroupsResponse),
  saslHandshake: call(saslHandshakeRequest, saslHandshakeResponse),
  apiVersions: call(apiVersionsRequest, apiVersionsResponse),
  createTopics: call(createTopicsRequest, createTopicsResponse),
  deleteTopics: call(deleteTopicsRequest, deleteTopicsResponse),
  deleteRecords: call(deleteRecordsRequest, deleteRecordsResponse),
  initProducerId: call(initProducerIdRequest, initProducerIdResponse),
  addPartitionsToTxn: call(addPartitionsToTxnRequest, addPartitionsToTxnResponse),
  writeTxnMarkers: call(writeTxnMarkersRequest, writeTxnMarkersResponse),
  describeConfigs: call(describeConfigsRequest, describeConfigsResponse),
  saslAuthenticate: call(saslAuthenticateRequest, saslAuthenticateResponse),
  createPartitions: call(createPartitionsRequest, createPartitionsResponse),
  describeAcls: call(describeAclsRequest, describeAclsResponse),
  createAcls: call(createAclsRequest, createAclsResponse),
  deleteAcls: call(deleteAclsRequest, deleteAclsResponse),
  describeClientQuotas: call(describeClientQuotasRequest, describeClientQuotasResponse),
  alterClientQuotas: call(alterClientQuotasRequest, alterClientQuotasResponse),
  deleteGroups: call(deleteGroupsRequest, deleteGroupsResponse),
  incrementalAlterConfigs: call(incrementalAlterConfigsRequest, incrementalAlterConfigsResponse),
  electLeaders: call(electLeadersRequest, electLeadersResponse),
  alterPartitionReassignments: call(
    alterPartitionReassignmentsRequest,
    alterPartitionReassignmentsResponse,
  ),
  listPartitionReassignments: call(
    listPartitionReassignmentsRequest,
    listPartitionReassignmentsResponse,
  ),
  offsetDelete: call(offsetDeleteRequest, offsetDeleteResponse),
  describeUserScramCredentials: call(
    describeUserScramCredentialsRequest,
    describeUserScramCredentialsResponse,
  ),
  alterUserScramCredentials: call(
    alterUserScramCredentialsRequest,
    alterUserScramCredentialsResponse,
  ),
  vote: call(voteRequest, voteResponse),
  beginQuorumEpoch: call(beginQuorumEpochRequest, beginQuorumEpochResponse),
  endQuorumEpoch: call(endQuorumEpochRequest, endQuorumEpochResponse),
  describeQuorum: call(describeQuorumRequest, describeQuorumResponse),
  fetchSnapshot: call(fetchSnapshotRequest, fetchSnapshotResponse),
  envelope: call(envelopeRequest, envelopeResponse),
  brokerRegistration: call(brokerRegistrationRequest, brokerRegistrationResponse),
  brokerHeartbeat: call(brokerHeartbeatRequest, brokerHeartbeatResponse),
  alterPartition: call(alterPartitionRequest, alterPartitionResponse),
  unregisterBroker: call(unregisterBrokerRequest, unregisterBrokerResponse),
  allocateProducerIds: call(allocateProducerIdsRequest, allocateProducerIdsResponse),
  assignReplicasToDirs: call(assignReplicasToDirsRequest, assignReplicasToDirsResponse),
  describeLogDirs: call(describeLogDirsRequest, describeLogDirsResponse),
  describeTopicPartitions: call(describeTopicPartitionsRequest, describeTopicPartitionsResponse),
  describeCluster: call(describeClusterRequest, describeClusterResponse),
};
