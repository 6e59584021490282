/**
 * The entry of a broker's thread, as the appliance has it, that dies when a test says so: by writing
 * the name of the broker's role into the file that `WEIR_TEST_DEATH` names.
 */
import { existsSync, readFileSync, unlinkSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import '../../src/broker/worker.ts';

const LOOK_MS = 20;

const { name } = workerData as { readonly name: string };
const file = process.env['WEIR_TEST_DEATH'] ?? '';

setInterval(() => {
  if (!existsSync(file) || readFileSync(file, 'utf8') !== name) return;
  unlinkSync(file);
  throw new Error('told to die');
}, LOOK_MS).unref();
