/**
 * The records of the metadata log `__cluster_metadata-0`: what exists in the cluster, as facts in
 * the order in which they became true. Their names are Kafka's; their layout is our own.
 *
 * A record's value is: frame version (uvarint, 1), type (uvarint), version (uvarint), body. A type
 * or version that this program does not know stops the start: what it says is not to be guessed.
 * Records are written in the newest version of their type and read in every one there was.
 */
import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { FatalError } from '../base/errors.ts';
import { codec } from '../protocol/codec.ts';
import {
  array,
  bool,
  bytes,
  float64,
  type Infer,
  int8,
  int16,
  int32,
  int64,
  type Message,
  message,
  string,
  uuid,
} from '../protocol/schema.ts';

const FRAME_VERSION = 1;

const stored = { api: -1, min: 0, max: 0, flexible: 0 } as const;
/** Since there are several brokers. */
const replicated = { ...stored, max: 1 } as const;
/** Since brokers tell their features. */
const featured = { ...stored, max: 2 } as const;

export const topicRecord = message('TopicRecord', stored, { name: string, topicId: uuid });

/** What of a partition changes; see `PartitionImage` for the meaning of each. */
const partitionState = {
  isr: array(int32),
  leader: int32,
  leaderEpoch: int32,
  partitionEpoch: int32,
  adding: array(int32).since(1),
  removing: array(int32).since(1),
  elr: array(int32).since(1),
  lastKnownElr: array(int32).since(1),
  /** 0: recovered, 1: was elected uncleanly and has not said that it has recovered. */
  leaderRecoveryState: int8.since(1),
} as const;

export const partitionRecord = message('PartitionRecord', replicated, {
  topicId: uuid,
  partitionId: int32,
  replicas: array(int32),
  ...partitionState,
});

/** A value of null takes the setting away. */
export const configRecord = message('ConfigRecord', stored, {
  resourceType: int8, // 2 topic, 4 broker, 16 client metrics, 32 group.
  resourceName: string,
  name: string,
  value: string.nullable(),
});

/** The whole state of the partition after the change. */
export const partitionChangeRecord = message('PartitionChangeRecord', replicated, {
  topicId: uuid,
  partitionId: int32,
  ...partitionState,
  /** Empty in version 0: unchanged. */
  replicas: array(int32).since(1),
});

export const removeTopicRecord = message('RemoveTopicRecord', stored, { topicId: uuid });

/** Producer ids below `nextProducerId` have been handed to brokers. */
export const producerIdsRecord = message('ProducerIdsRecord', stored, {
  brokerId: int32,
  brokerEpoch: int64,
  nextProducerId: int64,
});

export const registerBrokerRecord = message('RegisterBrokerRecord', featured, {
  brokerId: int32,
  brokerEpoch: int64,
  incarnationId: uuid,
  rack: string.nullable(),
  endPoints: array({ name: string, host: string, port: int32, securityProtocol: int8.since(1) }),
  logDirs: array(uuid),
  fenced: bool,
  inControlledShutdown: bool.since(1),
  features: array({ name: string, min: int16, max: int16 }).since(2),
});

export const unregisterBrokerRecord = message('UnregisterBrokerRecord', stored, {
  brokerId: int32,
  brokerEpoch: int64,
});

/** The whole changeable state of a broker's registration after the change. */
export const brokerChangeRecord = message('BrokerRegistrationChangeRecord', stored, {
  brokerId: int32,
  brokerEpoch: int64,
  fenced: bool,
  inControlledShutdown: bool,
  /** Directories that work. */
  logDirs: array(uuid),
});

/** What a user proves the password with; `mechanism` as in AlterUserScramCredentials. */
export const userScramCredentialRecord = message('UserScramCredentialRecord', stored, {
  name: string,
  mechanism: int8,
  salt: bytes,
  storedKey: bytes,
  serverKey: bytes,
  iterations: int32,
});

export const removeUserScramCredentialRecord = message('RemoveUserScramCredentialRecord', stored, {
  name: string,
  mechanism: int8,
});

/** Who votes in the metadata quorum, from this record on (KIP-853). */
export const votersRecord = message('VotersRecord', stored, {
  voters: array({ id: int32, directoryId: uuid }),
});

/** From here on the feature has this level; see `features.ts`. */
export const featureLevelRecord = message('FeatureLevelRecord', stored, {
  name: string,
  featureLevel: int16,
});

/** A rule of access control; see `protocol/acl.ts` for the numbers. */
export const accessControlEntryRecord = message('AccessControlEntryRecord', stored, {
  id: uuid,
  resourceType: int8,
  resourceName: string,
  patternType: int8,
  principal: string,
  host: string,
  operation: int8,
  permissionType: int8,
});

export const removeAccessControlEntryRecord = message('RemoveAccessControlEntryRecord', stored, {
  id: uuid,
});

/** A quota of a user, a client id, both, or an address; see `controller/client-quotas.ts`. */
export const clientQuotaRecord = message('ClientQuotaRecord', stored, {
  entity: array({ entityType: string, entityName: string.nullable() }),
  key: string,
  value: float64,
  remove: bool,
});

/** Says nothing: the first record of a new controller's term, behind which all before is committed. */
export const noOpRecord = message('NoOpRecord', stored, {});

/** Of each type, the number that stands in the log. Never reuse one. */
const types = {
  RegisterBroker: { number: 0, schema: registerBrokerRecord },
  UnregisterBroker: { number: 1, schema: unregisterBrokerRecord },
  Topic: { number: 2, schema: topicRecord },
  Partition: { number: 3, schema: partitionRecord },
  Config: { number: 4, schema: configRecord },
  PartitionChange: { number: 5, schema: partitionChangeRecord },
  RemoveTopic: { number: 9, schema: removeTopicRecord },
  UserScramCredential: { number: 11, schema: userScramCredentialRecord },
  FeatureLevel: { number: 12, schema: featureLevelRecord },
  ClientQuota: { number: 14, schema: clientQuotaRecord },
  ProducerIds: { number: 15, schema: producerIdsRecord },
  AccessControlEntry: { number: 18, schema: accessControlEntryRecord },
  RemoveAccessControlEntry: { number: 19, schema: removeAccessControlEntryRecord },
  BrokerChange: { number: 17, schema: brokerChangeRecord },
  NoOp: { number: 20, schema: noOpRecord },
  RemoveUserScramCredential: { number: 22, schema: removeUserScramCredentialRecord },
  Voters: { number: 100, schema: votersRecord },
} as const;

type Types = typeof types;
export type MetadataRecord = {
  [K in keyof Types]: { readonly type: K } & { readonly value: Infer<Types[K]['schema']> };
}[keyof Types];

const byNumber = new Map(
  Object.entries(types).map(([type, { number, schema }]) => [
    number as number,
    { type: type as keyof Types, schema: schema as Message<any> },
  ]),
);

export function encodeRecord(record: MetadataRecord): Buffer {
  const { number, schema } = types[record.type];
  const writer = new ByteWriter();
  writer.uvarint(FRAME_VERSION);
  writer.uvarint(number);
  writer.uvarint(schema.max);
  codec(schema as Message<any>, schema.max).write(writer, record.value);
  return writer.toBuffer();
}

export function decodeRecord(value: Buffer): MetadataRecord {
  const reader = new ByteReader(value);
  const frame = reader.uvarint();
  const number = reader.uvarint();
  const version = reader.uvarint();
  const known = byNumber.get(number);
  if (frame !== FRAME_VERSION || known === undefined || version > known.schema.max) {
    throw new FatalError(
      `the metadata log has a record of frame ${frame}, type ${number}, version ${version}, which this version of Weir does not know`,
    );
  }
  return { type: known.type, value: codec(known.schema, version).read(reader) } as MetadataRecord;
}
