/** Whichever disk is lost, and though one after the other is: nothing that the metadata said is. */
import fs from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { nodeDisk } from '../../../src/base/node-disk.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { Admin } from '../../../src/client/admin.ts';
import { Client } from '../../../src/client/client.ts';
import { SecurityAdmin } from '../../../src/client/security-admin.ts';
import { UserAdmin } from '../../../src/client/user-admin.ts';
import { formatCluster } from '../../../src/cluster/quorum/format.ts';
import { AclOperation, AclPattern, AclPermission, AclResource } from '../../../src/protocol/acl.ts';
import { TestCluster } from '../../support/cluster.ts';

let cluster: TestCluster | null = null;
afterEach(async () => {
  await cluster?.stop();
  cluster = null;
});

const acl = {
  resourceType: AclResource.topic,
  resourceName: 't',
  patternType: AclPattern.literal,
  principal: 'User:alice',
  host: '*',
  operation: AclOperation.read,
  permissionType: AclPermission.allow,
};

/** What the broker's metadata say, of all kinds. */
function known(made: TestCluster, id: number) {
  const { image, configs } = made.broker(id).services;
  return {
    topic: image.topic('t')?.partitions.map(({ replicas }) => replicas.length),
    setting: configs.topic('t', 'max.message.bytes'),
    ofBrokers: configs.number('log.retention.ms'),
    acls: [...image.acls.values()].map((one) => [one.principal, one.resourceName]),
    users: [...image.users.records()].map(({ type }) => type),
    quotas: [...image.quotas.values()].map(({ values }) => [...values]),
  };
}

/** It comes back with an empty one. */
async function loseDisk(made: TestCluster, id: number): Promise<void> {
  await made.stopBroker(id);
  fs.rmSync(made.members[id]!.directory, { recursive: true });
  formatCluster({
    disk: nodeDisk,
    random: seededRandom(100 + id),
    brokers: made.members.map((member) => ({ id: member.id, dirs: [member.directory] })),
  });
  const { quorum } = (await made.startBroker(id)).services;
  await expect.poll(() => quorum.isVoter).toBe(true);
}

it('topics, settings, ACLs, users and quotas outlive every disk, one after the other', async () => {
  const made = await TestCluster.start(3, {
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'allow.everyone.if.no.acl.found': true,
  });
  cluster = made;
  const client = new Client({ bootstrap: made.bootstrap, clientId: 'lost-disk' });
  try {
    const admin = new Admin(client);
    const [topic] = await admin.createTopics([{ name: 't', partitions: 2, replicationFactor: 3 }]);
    expect(topic?.error).toBeNull();
    await admin.alterConfigs('topic', 't', { 'max.message.bytes': '1234567' });
    await admin.alterConfigs('broker', '', { 'log.retention.ms': '7654321' });
    const security = new SecurityAdmin(client);
    await security.createAcls([acl]);
    await security.alterQuotas({ user: 'alice' }, { producer_byte_rate: 4321 });
    const users = new UserAdmin(client);
    expect((await users.put('alice', 'secret', 'SCRAM-SHA-256', 4096)).error).toBeNull();
  } finally {
    client.close();
  }
  const expected = {
    topic: [3, 3],
    setting: 1_234_567,
    ofBrokers: 7_654_321,
    acls: [['User:alice', 't']],
    users: ['UserScramCredential'],
    quotas: [[['producer_byte_rate', 4321]]],
  };
  const everywhere = async (): Promise<void> => {
    for (const { id } of made.members) await expect.poll(() => known(made, id)).toEqual(expected);
  };
  await everywhere();
  // That of the controller first; in the end nobody has a disk of the beginning.
  const first = made.controllerId;
  for (const id of [first, ...[0, 1, 2].filter((other) => other !== first)]) {
    await loseDisk(made, id);
    await everywhere();
  }
});
