import { afterEach, expect, it } from 'vitest';
import { commands } from '../../../src/cli/index.ts';
import { runCommand } from '../../../src/cli/run.ts';
import { type RunningBroker, startBroker } from '../broker/fixture.ts';
import { fakeTerminal } from './fake-terminal.ts';

let running: RunningBroker;
afterEach(() => running.stop());

const run = async (argv: readonly string[], input = '') => {
  const terminal = fakeTerminal(input);
  const bootstrap = ['--bootstrap-server', `127.0.0.1:${running.port}`];
  const code = await runCommand(commands, [...argv, ...bootstrap], terminal);
  return { code, out: terminal.written(), err: terminal.errors() };
};

const keyed = ['--property', 'parse.key=true', '--property', 'key.separator=:'];

it.each([
  ['has no key', keyed, 'a:first\nb:second\nthird\nd:fourth\n', "':' in line 3", 2],
  [
    'is too long and has no end',
    ['--max-request-size', '1000'],
    `first\nsecond\n${'x'.repeat(2000)}`,
    'longer than 1000 bytes',
    1,
  ],
])('ends at a line that %s, and delivers those before it', async (_, options, input, why, code) => {
  running = await startBroker();
  const sent = await run(['produce', 'logs', ...options], input);
  expect(sent).toMatchObject({ code, err: expect.stringContaining(why) as string });
  const read = await run(['consume', 'logs', '--from-beginning', '--timeout-ms', '500']);
  expect(read.out).toBe('first\nsecond\n');
});
