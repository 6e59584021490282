/**
 * Entry of the thread that cleans logs; see `cleaning-thread.ts`. It reads and writes files of its own
 * accord, and knows of the log what its orders say. Where there are not enough processors for it and
 * the broker's thread, that one goes first: by priority where the system tells threads apart, and by
 * rests, since a thread that wakes waits for the end of the slice that another one has on its processor.
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
import {
  CleaningPass,
  type GroupOutcome,
  type MapOutcome,
  UncleanableError,
} from './cleaning-pass.ts';
import type { Answer, Order } from './cleaning-thread.ts';

/** Of this thread only: Linux has a priority for each. */
const NICE = 10;
/** The broker, those that it serves and this thread each have a processor of their own. */
const PROCESSORS_ENOUGH = 4;
/**
 * Otherwise it is at work for a third of the time. It takes 250 to 300 MB of dirty log a second of a
 * processor, so that 100 and more a second are left, and a producer beside it has the delays that it
 * has without (at most twice, at the 99th percentile, on two processors; three to four times without
 * rests): `npm run bench -- compaction`.
 */
const SHARED = { sliceMs: 2, restRatio: 2 };
const UNSHARED = { sliceMs: Number.POSITIVE_INFINITY, restRatio: 0 };

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
  const slices = os.availableParallelism() < PROCESSORS_ENOUGH ? SHARED : UNSHARED;
  const pace = new CleanerPace({ clock: systemClock, ...slices, bytesPerSecond });
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
        place: error instanceof UncleanableError ? error.place : null,
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
