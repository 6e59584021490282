import { expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import type { Call } from '../../../src/client/call.ts';
import { calls } from '../../../src/client/call.ts';
import { BrokerLifecycle } from '../../../src/cluster/broker-lifecycle.ts';
import type { ControllerChannel } from '../../../src/cluster/controller-channel.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';

const HEARTBEAT_MS = 2_000;
const SESSION_MS = 9_000;

/** A broker, of several unless told, and a controller that answers when the test has it answer. */
async function letIn(alone = false) {
  const clock = new ManualClock();
  const store = new MemoryStore(1, false);
  store.lastOffset = 7;
  const controller = { lastOffset: 7 };
  const answers: (() => void)[] = [];
  const answer = async (): Promise<void> => {
    for (const give of answers.splice(0)) give();
    for (let i = 0; i < 5; i++) await Promise.resolve();
  };
  const send = (call: Call<any, any>): Promise<unknown> => {
    const common = { throttleTimeMs: 0, errorCode: 0 };
    if (call === calls.brokerRegistration) return Promise.resolve({ ...common, brokerEpoch: 7 });
    const state = { isCaughtUp: true, isFenced: false, shouldShutDown: false };
    return new Promise((resolve) =>
      answers.push(() => resolve({ ...common, ...state, metadataOffset: controller.lastOffset })),
    );
  };
  const lifecycle = new BrokerLifecycle({
    ...{ nodeId: 0, clusterId: 'c', incarnationId: 'i', rack: null, alone },
    ...{ previousEpoch: -1, endPoints: () => [], directories: () => ({ online: [], offline: [] }) },
    ...{ store, clock, logger: silentLogger },
    channel: { send } as unknown as ControllerChannel,
    settings: { heartbeatMs: HEARTBEAT_MS, sessionMs: SESSION_MS },
  });
  await lifecycle.register();
  const entered = lifecycle.unfence();
  await answer();
  await entered;
  return { clock, store, controller, lifecycle, answer, waiting: () => answers.length };
}

it('a broker is not sure of its session once another controller may have taken over', async () => {
  const { clock, store, lifecycle, answer } = await letIn();
  expect(lifecycle.hasSession).toBe(true);
  clock.advance(100);
  // The new one may have learnt that this broker can't be reached, and not wait for its silence.
  store.setActive(false);
  expect(lifecycle.hasSession).toBe(false);
  await answer();
  expect(lifecycle.hasSession).toBe(true);
  lifecycle.stop();
});

it('what a former controller answers late gives a broker no session', async () => {
  const { clock, store, lifecycle, answer, waiting } = await letIn();
  clock.advance(HEARTBEAT_MS);
  expect(waiting()).toBe(1);
  clock.advance(10);
  store.setActive(false);
  await answer();
  expect(lifecycle.hasSession).toBe(false);
  clock.advance(20);
  await answer();
  expect(lifecycle.hasSession).toBe(true);
  lifecycle.stop();
});

it('a broker that was out of reach has no session before it knows what was changed meanwhile', async () => {
  const { clock, store, controller, lifecycle, answer } = await letIn();
  clock.advance(100);
  store.setActive(false);
  // The new controller has given its partitions to others before it heard of it again.
  controller.lastOffset = 12;
  await answer();
  expect(lifecycle.hasSession).toBe(false);
  store.lastOffset = 11;
  expect(lifecycle.hasSession).toBe(false);
  store.lastOffset = 12;
  expect(lifecycle.hasSession).toBe(true);
  // What is changed later it hears of as everybody does.
  controller.lastOffset = 13;
  clock.advance(HEARTBEAT_MS);
  await answer();
  expect(lifecycle.hasSession).toBe(true);
  lifecycle.stop();
});

it.each([
  [false, HEARTBEAT_MS],
  [true, SESSION_MS * 0.9],
])('a broker (alone: %s) sends a heartbeat every %d ms', async (alone, everyMs) => {
  const { clock, lifecycle, answer, waiting } = await letIn(alone);
  for (let i = 0; i < 3; i++) {
    clock.advance(everyMs - 1);
    expect(waiting()).toBe(0);
    clock.advance(1);
    expect(waiting()).toBe(1);
    await answer();
  }
  expect(lifecycle.hasSession).toBe(true);
  lifecycle.stop();
});

it('a broker whose connection to the controller is lost lets it hear of itself at once', async () => {
  const { clock, lifecycle, waiting } = await letIn();
  clock.advance(HEARTBEAT_MS / 4);
  lifecycle.connectionLost(5);
  clock.advance(HEARTBEAT_MS / 4);
  expect(waiting()).toBe(0);
  lifecycle.connectionLost(1);
  clock.advance(20);
  expect(waiting()).toBe(1);
  // One is under way: whoever sends it sees to it that it arrives.
  lifecycle.connectionLost(1);
  clock.advance(20);
  expect(waiting()).toBe(1);
  lifecycle.stop();
});
