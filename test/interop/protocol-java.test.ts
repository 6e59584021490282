/**
 * Our messages against Apache Kafka's own classes: its random messages are read and written again by
 * us, byte for byte; ours by it. Runs a JVM.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ByteReader } from '../../src/base/bytes.ts';
import { seededRandom } from '../../src/base/random.ts';
import { apis } from '../../src/protocol/apis.ts';
import { codec, encode } from '../../src/protocol/codec.ts';
import { ErrorCode, isRetriable } from '../../src/protocol/error-codes.ts';
import { writeRequest, writeResponse } from '../../src/protocol/frame.ts';
import type { Message } from '../../src/protocol/schema.ts';
import * as consumerGroup from '../../src/protocol/stored/consumer-group.ts';
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../../src/protocol/stored/consumer-protocol.ts';
import { groupMetadataKey, groupMetadataValue } from '../../src/protocol/stored/group-metadata.ts';
import { offsetCommitKey, offsetCommitValue } from '../../src/protocol/stored/offset-commit.ts';
import { principalData } from '../../src/protocol/stored/principal-data.ts';
import {
  transactionLogKey,
  transactionLogValue,
} from '../../src/protocol/stored/transaction-log.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { randomMessage, versionsOf } from '../property/random-message.ts';
import { fuzzRounds } from '../support/fuzz.ts';
import { notInKafka } from './differential/coverage.ts';
import { ProtocolPeer } from './protocol-java/peer.ts';

const ROUNDS = fuzzRounds(25);

interface Compared {
  readonly message: Message<any>;
  readonly className: string;
  readonly version: number;
  /** Kafka numbers the versions of keys from 0, ours are the int16 that leads the key. */
  readonly javaVersion: number;
}

const compared: Compared[] = [];
for (const api of apis.values()) {
  for (const message of [api.request, api.response]) {
    const className = `org.apache.kafka.common.message.${message.name}Data`;
    for (const version of versionsOf(message)) {
      if (notInKafka.get(api.name)?.includes(version)) continue;
      compared.push({ message, className, version, javaVersion: version });
    }
  }
}
const addStored = (message: Message<any>, className: string, offset = 0): void => {
  for (const version of versionsOf(message)) {
    compared.push({ message, className, version, javaVersion: version + offset });
  }
};
const GROUP = 'org.apache.kafka.coordinator.group.generated';
addStored(
  consumerProtocolSubscription,
  'org.apache.kafka.common.message.ConsumerProtocolSubscription',
);
addStored(consumerProtocolAssignment, 'org.apache.kafka.common.message.ConsumerProtocolAssignment');
addStored({ ...offsetCommitKey, max: 0 }, `${GROUP}.LegacyOffsetCommitKey`);
addStored({ ...offsetCommitKey, min: 1 }, `${GROUP}.OffsetCommitKey`, -1);
addStored(offsetCommitValue, `${GROUP}.OffsetCommitValue`);
addStored(groupMetadataKey, `${GROUP}.GroupMetadataKey`, -2);
addStored(groupMetadataValue, `${GROUP}.GroupMetadataValue`);
for (const stored of Object.values(consumerGroup)) {
  // The number of a key is its version here, and beside the class in Kafka.
  addStored(stored, `${GROUP}.${stored.name}`, stored.name.endsWith('Key') ? -stored.min : 0);
}
addStored(principalData, `org.apache.kafka.common.message.${principalData.name}`);
const TRANSACTIONS = 'org.apache.kafka.coordinator.transaction.generated';
addStored(transactionLogKey, `${TRANSACTIONS}.TransactionLogKey`);
addStored(transactionLogValue, `${TRANSACTIONS}.TransactionLogValue`);

const seeds = Array.from({ length: ROUNDS }, (_, i) => 1000 + i);

function rewritten({ message, version }: Compared, bytes: Buffer): Buffer {
  const reader = new ByteReader(bytes);
  const value = codec(message, version).read(reader);
  expect(reader.remaining).toBe(0);
  return encode(message, version, value);
}

describeWithPeers(['kafka', 'javac'], "Kafka's message classes", () => {
  let peer: ProtocolPeer;
  beforeAll(async () => {
    peer = await ProtocolPeer.start();
  });
  afterAll(() => peer?.stop());

  it('know every version that is compared, and none that is not', async () => {
    for (const api of apis.values()) {
      const name = `org.apache.kafka.common.message.${api.name}RequestData`;
      const { min, max, key } = await peer.describe(name);
      expect(key).toBe(api.key);
      const unknown = versionsOf(api.request).filter((v) => v < min || v > max);
      expect(unknown, api.name).toEqual(notInKafka.get(api.name) ?? []);
    }
  });

  it('write what we read and write again to the same bytes', async () => {
    expect(compared.length).toBeGreaterThan(350);
    for (const c of compared) {
      const made = await Promise.all(
        seeds.map((seed) => peer.generate(c.className, c.javaVersion, seed)),
      );
      for (const bytes of made) {
        const ours = rewritten(c, bytes);
        if (!ours.equals(bytes)) {
          expect(ours.toString('hex'), `${c.message.name} v${c.version}`).toBe(
            bytes.toString('hex'),
          );
        }
      }
    }
  });

  it('read from our bytes what they had written', async () => {
    for (const c of compared) {
      await Promise.all(
        seeds.map(async (seed) => {
          const bytes = await peer.generate(c.className, c.javaVersion, seed);
          await peer.check(c.className, c.javaVersion, seed, rewritten(c, bytes));
        }),
      );
    }
  });

  it('read our random messages and write the same bytes', async () => {
    const random = seededRandom(42);
    for (const c of compared) {
      const ours = seeds.map(() =>
        encode(c.message, c.version, randomMessage(c.message, c.version, random)),
      );
      const back = await Promise.all(
        ours.map((bytes) => peer.rewrite(c.className, c.javaVersion, bytes)),
      );
      for (const [i, bytes] of ours.entries()) {
        if (!back[i]!.equals(bytes)) {
          expect(back[i]!.toString('hex'), `${c.message.name} v${c.version}`).toBe(
            bytes.toString('hex'),
          );
        }
      }
    }
  });

  it('refuse a message that differs, so the comparison means something', async () => {
    const name = 'org.apache.kafka.common.message.HeartbeatRequestData';
    const bytes = await peer.generate(name, 4, 1);
    const other = await peer.generate(name, 4, 2);
    await peer.check(name, 4, 1, bytes);
    await expect(peer.check(name, 4, 1, other)).rejects.toThrow(/is not/);
  });

  it('carry the headers that we write, and the other way round', async () => {
    const random = seededRandom(43);
    for (const api of apis.values()) {
      for (const version of versionsOf(api.request)) {
        if (notInKafka.get(api.name)?.includes(version)) continue;
        const body = randomMessage(api.request, version, random);
        const bodySize = encode(api.request, version, body).length;
        const frame = Buffer.concat(writeRequest(api, version, 77, 'someone', body));
        const ours = frame.subarray(4, frame.length - bodySize);
        const { request, response } = await peer.headers(api.key, version, ours);
        expect(ours.toString('hex'), `${api.name} v${version}`).toBe(request.toString('hex'));
        const answer = randomMessage(api.response, version, random);
        const answerSize = encode(api.response, version, answer).length;
        const answerFrame = Buffer.concat(writeResponse(api, version, 77, answer));
        const header = answerFrame.subarray(4, answerFrame.length - answerSize);
        expect(header.toString('hex'), `${api.name} v${version}`).toBe(response.toString('hex'));
      }
    }
  });

  it('lead stored keys with the same number', async () => {
    const keyOf = async (name: string) => (await peer.describe(`${GROUP}.${name}`)).key;
    expect(await keyOf('LegacyOffsetCommitKey')).toBe(0);
    expect(await keyOf('OffsetCommitKey')).toBe(1);
    expect(await keyOf('GroupMetadataKey')).toBe(2);
    for (const { name, min } of Object.values(consumerGroup)) {
      if (name.endsWith('Key')) expect(await keyOf(name), name).toBe(min);
    }
  });

  it('have the error codes that we have, by number, name and whether to retry', async () => {
    const theirs = await peer.errors();
    const ours = new Map(
      Object.entries(ErrorCode).map(([name, code]) => [
        code,
        `${code} ${name} ${isRetriable(code)}`,
      ]),
    );
    for (const line of theirs) expect(ours.get(Number(line.split(' ')[0]) as ErrorCode)).toBe(line);
    expect(theirs.length).toBeGreaterThan(130);
  });
});
