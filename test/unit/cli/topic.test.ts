import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeTransport } from '../../../src/base/node-transport.ts';
import { commands } from '../../../src/cli/index.ts';
import { runCommand } from '../../../src/cli/run.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { FakeBroker } from '../client/fake-broker.ts';
import { fakeTerminal } from './fake-terminal.ts';

/** Two brokers, 1 and 2; topic `logs` has a partition on each. */
let broker: FakeBroker;
beforeEach(async () => {
  broker = new FakeBroker(nodeTransport, { topics: { logs: 2 }, brokers: 2, host: '127.0.0.1' });
  broker.handlers.set('DescribeConfigs', ({ body }) => ({
    throttleTimeMs: 0,
    results: body.resources.map(({ resourceType, resourceName }: any) => ({
      errorCode: 0,
      errorMessage: null,
      resourceType,
      resourceName,
      configs: [],
    })),
  }));
  // DescribeTopicPartitions: an older cluster has none.
  broker.versions.set(75, { min: 0, max: -1 });
  await broker.start();
});
afterEach(() => broker.stop());

const run = async (...argv: string[]) => {
  const terminal = fakeTerminal();
  const to = ['--bootstrap-server', broker.address];
  const code = await runCommand(commands, ['topic', ...argv, ...to], terminal);
  return { code, out: terminal.written(), err: terminal.errors() };
};

/** Partition 0 has lost replica 2; in partition 1, replica 3 is being added and has nothing yet. */
function reassign(answers: { errorCode: number }): void {
  broker.partition('logs', 0).replicas = [1, 2];
  broker.partition('logs', 1).replicas = [2, 3];
  broker.handlers.set('ListPartitionReassignments', () => ({
    throttleTimeMs: 0,
    errorMessage: null,
    topics: [
      {
        name: 'logs',
        partitions: [
          { partitionIndex: 1, replicas: [2, 3], addingReplicas: [3], removingReplicas: [] },
        ],
      },
    ],
    ...answers,
  }));
}

const underReplicated = async (): Promise<unknown> => ({
  listed: JSON.parse((await run('list', '--json')).out)[0].underReplicated,
  described: JSON.parse(
    (await run('describe', '--under-replicated-partitions', '--json')).out,
  )[0].partitions.map(({ partition }: any) => partition),
});

it('counts a replica that is lost, and none that is being added', async () => {
  reassign({ errorCode: ErrorCode.NONE });
  expect(await underReplicated()).toEqual({ listed: 1, described: [0] });
});

it('counts every replica where the cluster does not tell which are being added', async () => {
  reassign({ errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED });
  expect(await underReplicated()).toEqual({ listed: 2, described: [0, 1] });
});

describe('offsets that a leader does not tell', () => {
  const describeLogs = async () => {
    const { code, out, err } = await run('describe', 'logs', '--json', '--timeout', '1000');
    const [{ partitions }] = JSON.parse(out);
    const offsets = partitions.map(({ earliest, latest }: any) => [earliest, latest]);
    return { code, offsets, err };
  };

  it('are unknown, and all others are shown', async () => {
    broker.intercept = ({ api, broker: id }) =>
      api === 'ListOffsets' && id === 2 ? 'silence' : undefined;
    const { code, offsets, err } = await describeLogs();
    expect({ code, offsets }).toEqual({
      code: 0,
      offsets: [
        [0, 0],
        [null, null],
      ],
    });
    expect(err).toContain('not all offsets are known of logs-1: broker 2 did not answer within');
  });

  it('are told by the one that leads since', async () => {
    broker.intercept = ({ api }) => {
      if (api === 'ListOffsets') broker.partition('logs', 1).leader = 1;
      return undefined;
    };
    const { offsets, err } = await describeLogs();
    expect({ offsets, err }).toEqual({
      offsets: [
        [0, 0],
        [0, 0],
      ],
      err: '',
    });
  });

  it('are unknown at once where the leader refuses for good, or there is none', async () => {
    broker.create('more', 2);
    broker.partition('more', 1).leader = -1;
    broker.handlers.set('ListOffsets', ({ body }) => ({
      throttleTimeMs: 0,
      topics: body.topics.map(({ name, partitions }: any) => ({
        name,
        partitions: partitions.map(({ partitionIndex }: any) => ({
          partitionIndex,
          errorCode: ErrorCode.TOPIC_AUTHORIZATION_FAILED,
          oldStyleOffsets: [],
          timestamp: -1,
          offset: -1,
          leaderEpoch: -1,
        })),
      })),
    }));
    const { code, err } = await run('describe');
    expect(code).toBe(0);
    expect(err).toContain('known of logs-0, logs-1, more-0: TOPIC_AUTHORIZATION_FAILED');
    expect(err).toContain('known of more-1: it has no leader');
  });
});

it('says that a topic to delete does not exist', async () => {
  const { UNKNOWN_TOPIC_OR_PARTITION: errorCode } = ErrorCode;
  broker.handlers.set('DeleteTopics', ({ body }) => ({
    throttleTimeMs: 0,
    responses: body.topics.map(({ name, topicId }: any) => ({
      name,
      topicId,
      errorCode,
      errorMessage: 'This server does not host this topic-partition.',
    })),
  }));
  const { code, err } = await run('delete', 'nosuch');
  expect({ code, err }).toEqual({ code: 1, err: "weir: topic 'nosuch' does not exist\n" });
});

it.each([':9092', '127.0.0.1:99999', 'a b'])('takes %j for a mistake of the user', async (to) => {
  const terminal = fakeTerminal();
  const code = await runCommand(commands, ['topic', 'list', '--bootstrap-server', to], terminal);
  expect(code).toBe(2);
  expect(terminal.errors()).toContain('--bootstrap-server');
});
