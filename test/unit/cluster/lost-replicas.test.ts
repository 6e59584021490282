import { expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import type { ControllerChannel } from '../../../src/cluster/controller-channel.ts';
import { reportLostReplicas } from '../../../src/cluster/lost-replicas.ts';
import { ErrorCode, ProtocolError } from '../../../src/protocol/error-codes.ts';
import { ManualClock } from '../../support/manual-clock.ts';

/** A broker whose controller answers so, one attempt after another, and then well. */
function broker(answers: readonly (number | Error)[]) {
  const clock = new ManualClock();
  const asked: { brokerEpoch: number }[] = [];
  const logged: string[] = [];
  const state = { epoch: 7, isOver: false };
  const send = (_call: unknown, body: { brokerEpoch: number }): Promise<unknown> => {
    const answer = answers[asked.length] ?? ErrorCode.NONE;
    asked.push(body);
    if (typeof answer === 'number') return Promise.resolve({ errorCode: answer });
    return Promise.reject(answer);
  };
  const done = reportLostReplicas([{ topicId: 't', partition: 0 }], {
    channel: { send } as unknown as ControllerChannel,
    ...{ clock, brokerId: 1, brokerEpoch: () => state.epoch, isOver: () => state.isOver },
    logger: { ...silentLogger, error: (text) => logged.push(text) },
  });
  return { clock, asked, logged, state, done };
}

const pass = async (clock: ManualClock, ms: number): Promise<void> => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
  clock.advance(ms);
  for (let i = 0; i < 10; i++) await Promise.resolve();
};

it('the controller is told of lost replicas until it has heard, and a person once', async () => {
  const timeout = new ProtocolError(ErrorCode.REQUEST_TIMED_OUT);
  const { clock, asked, logged, state, done } = broker([
    timeout,
    ErrorCode.KAFKA_STORAGE_ERROR,
    ErrorCode.STALE_BROKER_EPOCH,
  ]);
  await pass(clock, 1000);
  state.epoch = 8;
  await pass(clock, 1000);
  await pass(clock, 1000);
  await done;
  expect(asked.map(({ brokerEpoch }) => brokerEpoch)).toEqual([7, 7, 8, 8]);
  expect(logged).toHaveLength(1);
  expect(clock.pending).toBe(0);
});

it('nobody is told of lost replicas once the broker stops', async () => {
  const { clock, asked, state, done } = broker([ErrorCode.KAFKA_STORAGE_ERROR]);
  await pass(clock, 0);
  state.isOver = true;
  await pass(clock, 1000);
  await done;
  expect(asked).toHaveLength(1);
});
