/**
 * Entry of the thread that cleans logs; see `cleaning-thread.ts`. It reads and writes files of its own
 * accord, and knows of the log what its orders say. Where the system tells threads apart, the
 * broker's goes first when there are not enough processors for both.
 */
import os from 'node:os';
import { isMainThread, parentPort } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { systemClock } from '../base/clock.ts';
import { codeOf, reasonOf } from '../base/errors.ts';
import { nodeDisk } from '../base/node-disk.ts';
import { systemRandom } from '../base/random.ts';
import { portLogger } from '../base/role-thread.ts';
import { CleanerPace } from './cleaner-pace.ts';
import { CleaningPass, type GroupOutcome, type MapOutcome } from './cleaning-pass.ts';
import type { Answer, Order } from './cleaning-thread.ts';

/** Of this thread only: Linux has a priority for each. */
const NICE = 10;

const port = parentPort;
assert(port !== null && !isMainThread, 'a thread that ThreadEngine has started');
if (process.platform === 'linux') os.setPriority(0, NICE);

const send = (answer: Answer): void => port.postMessage(answer);
const logger = portLogger(
  (line) => {
    if (line.kind === 'log') send(line);
  },
  'warn',
  systemClock,
);

let pass: CleaningPass | null = null;

function begin({ job, bytesPerSecond }: Order & { readonly kind: 'begin' }): void {
  const pace = new CleanerPace({
    clock: systemClock,
    sliceMs: Number.POSITIVE_INFINITY,
    bytesPerSecond,
  });
  const seams = { disk: nodeDisk, clock: systemClock, random: systemRandom, logger };
  pass = new CleaningPass(job, { ...seams, pace });
}

function answer(question: Promise<MapOutcome | GroupOutcome>): void {
  question.then(
    (value) => send({ kind: 'done', value }),
    (error: unknown) => {
      const code = codeOf(error);
      const stack = error instanceof Error ? error.stack : undefined;
      send({
        kind: 'failed',
        code,
        reason: code === '' ? (stack ?? reasonOf(error)) : reasonOf(error),
      });
    },
  );
}

port.on('message', (order: Order) => {
  if (order.kind === 'begin') begin(order);
  else if (order.kind === 'end') pass = null;
  else {
    assert(pass !== null, `${order.kind} before begin`);
    answer(order.kind === 'map' ? pass.map() : pass.clean(order.group));
  }
});
