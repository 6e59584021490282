/**
 * The records of the metadata log `__cluster_metadata-0`: what exists in the cluster, as facts in
 * the order in which they became true. Their names are Kafka's; their layout is our own.
 *
 * A record's value is: frame version (uvarint, 1), type (uvarint), version (uvarint), body. A type
 * or version that this program does not know stops the start: what it says is not to be guessed.
 */
import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { FatalError } from '../base/errors.ts';
import { codec } from '../protocol/codec.ts';
import {
  array,
  bool,
  type Infer,
  int8,
  int32,
  int64,
  type Message,
  message,
  string,
  uuid,
} from '../protocol/schema.ts';

const FRAME_VERSION = 1;

const stored = { api: -1, min: 0, max: 0, flexible: 0 } as const;

export const topicRecord = message('TopicRecord', stored, { name: string, topicId: uuid });

export const partitionRecord = message('PartitionRecord', stored, {
  topicId: uuid,
  partitionId: int32,
  replicas: array(int32),
  isr: array(int32),
  leader: int32,
  leaderEpoch: int32,
  partitionEpoch: int32,
});

/** A value of null takes the setting away. */
export const configRecord = message('ConfigRecord', stored, {
  resourceType: int8, // 2 topic, 4 broker.
  resourceName: string,
  name: string,
  value: string.nullable(),
});

export const partitionChangeRecord = message('PartitionChangeRecord', stored, {
  topicId: uuid,
  partitionId: int32,
  isr: array(int32),
  leader: int32,
  leaderEpoch: int32,
  partitionEpoch: int32,
});

export const removeTopicRecord = message('RemoveTopicRecord', stored, { topicId: uuid });

/** Producer ids below `nextProducerId` have been handed to brokers. */
export const producerIdsRecord = message('ProducerIdsRecord', stored, {
  brokerId: int32,
  brokerEpoch: int64,
  nextProducerId: int64,
});

export const registerBrokerRecord = message('RegisterBrokerRecord', stored, {
  brokerId: int32,
  brokerEpoch: int64,
  incarnationId: uuid,
  rack: string.nullable(),
  endPoints: array({ name: string, host: string, port: int32 }),
  logDirs: array(uuid),
  fenced: bool,
});

/** Of each type, the number that stands in the log. Never reuse one. */
const types = {
  RegisterBroker: { number: 0, schema: registerBrokerRecord },
  Topic: { number: 2, schema: topicRecord },
  Partition: { number: 3, schema: partitionRecord },
  Config: { number: 4, schema: configRecord },
  PartitionChange: { number: 5, schema: partitionChangeRecord },
  RemoveTopic: { number: 9, schema: removeTopicRecord },
  ProducerIds: { number: 15, schema: producerIdsRecord },
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
  writer.uvarint(0);
  codec(schema as Message<any>, 0).write(writer, record.value);
  return writer.toBuffer();
}

export function decodeRecord(value: Buffer): MetadataRecord {
  const reader = new ByteReader(value);
  const frame = reader.uvarint();
  const number = reader.uvarint();
  const version = reader.uvarint();
  const known = byNumber.get(number);
  if (frame !== FRAME_VERSION || known === undefined || version !== 0) {
    throw new FatalError(
      `the metadata log has a record of frame ${frame}, type ${number}, version ${version}, which this version of Weir does not know`,
    );
  }
  return { type: known.type, value: codec(known.schema, version).read(reader) } as MetadataRecord;
}
