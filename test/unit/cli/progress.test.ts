import { describe, expect, it } from 'vitest';
import { Progress } from '../../../src/cli/progress.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { fakeTerminal } from './fake-terminal.ts';

function waiting(isTty: boolean) {
  const clock = new ManualClock();
  const terminal = fakeTerminal('', isTty);
  const progress = new Progress(terminal, 'waiting for b:9092', clock);
  return { clock, terminal, progress };
}

/** Somebody who is asked, and answers when told to. */
class Oracle {
  readonly #answer = '42';
  readonly asked = Promise.withResolvers<void>();
  readonly name = 'oracle';

  async ask(): Promise<string> {
    await this.asked.promise;
    return this.#answer;
  }
}

describe('progress', () => {
  it('is shown to people from one second on, each second, and then taken away', async () => {
    const { clock, terminal, progress } = waiting(true);
    const { promise, resolve } = Promise.withResolvers<void>();
    const done = progress.of(promise);
    clock.advance(999);
    expect(terminal.errors()).toBe('');
    clock.advance(1);
    clock.advance(1000);
    const lines = ['waiting for b:9092 … 1 s', 'waiting for b:9092 … 2 s'];
    expect(terminal.errors()).toBe(`\r${lines.join('\r')}`);
    resolve();
    await done;
    expect(terminal.errors()).toMatch(/2 s\r +\r$/);
    clock.advance(5000);
    expect(terminal.errors()).not.toContain('3 s');
  });

  it('is one line where nobody watches, however long and often there is something to wait for', async () => {
    const { clock, terminal, progress } = waiting(false);
    for (let round = 0; round < 2; round++) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const done = Promise.all([progress.of(promise), progress.of(promise)]);
      clock.advance(3000);
      resolve();
      await done;
    }
    expect(terminal.errors()).toBe('waiting for b:9092 …\n');
  });

  it('goes on until the last of several answers, and ends with one that fails', async () => {
    const { clock, terminal, progress } = waiting(true);
    const first = Promise.withResolvers<void>();
    const second = Promise.withResolvers<void>();
    const [one, two] = [progress.of(first.promise), progress.of(second.promise)];
    first.resolve();
    await one;
    clock.advance(1000);
    expect(terminal.errors()).toBe('\rwaiting for b:9092 … 1 s');
    second.reject(new Error('no'));
    await expect(two).rejects.toThrow('no');
    clock.advance(5000);
    expect(terminal.errors()).not.toContain('2 s');
  });

  it('accompanies every answer of somebody who is asked through it', async () => {
    const { clock, terminal, progress } = waiting(true);
    const oracle = new Oracle();
    const accompanied = progress.with(oracle);
    expect(accompanied.name).toBe('oracle');
    const answer = accompanied.ask();
    clock.advance(1000);
    expect(terminal.errors()).toBe('\rwaiting for b:9092 … 1 s');
    oracle.asked.resolve();
    expect(await answer).toBe('42');
    expect(terminal.errors()).toMatch(/1 s\r +\r$/);
  });
});
