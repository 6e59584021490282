/**
 * Shows that the rounds of kills see what is lost: where the end of a log is cut away while the broker
 * is dead, whoever keeps the books of it says so. Were nothing said, rounds without a fault would
 * prove nothing.
 */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import { batchSize } from '../../src/protocol/record-batch.ts';
import { Registers } from './rounds/registers.ts';
import { faultsOf } from './rounds/usage.ts';
import { startVictim } from './rounds/victim.ts';

const random = seededRandom(1);
/** So that there is something to lose. */
const LIFE_MS = 400;

/**
 * Takes away the later half of every log whose name begins so, as if it had never been written: whole
 * batches, and what is on file of how far the logs were.
 */
function cutLogs(data: string, prefix: string): void {
  const broker = path.join(data, 'broker-0');
  for (const log of fs.readdirSync(broker).filter((name) => name.startsWith(prefix))) {
    const folder = path.join(broker, log);
    const files = fs.readdirSync(folder).filter((name) => name.endsWith('.log'));
    const paths = files.sort().map((name) => path.join(folder, name));
    let kept = paths.reduce((sum, file) => sum + fs.statSync(file).size, 0) / 2;
    for (const file of paths) {
      const bytes = fs.readFileSync(file);
      let end = 0;
      while (end < Math.min(kept, bytes.length)) end += batchSize(bytes, end);
      kept -= end;
      if (end > 0) fs.truncateSync(file, end);
      else for (const suffix of SUFFIXES) fs.rmSync(file.replace('.log', suffix), { force: true });
    }
  }
  for (const name of fs.readdirSync(broker)) {
    if (name.endsWith('-offset-checkpoint')) fs.rmSync(path.join(broker, name));
  }
}
const SUFFIXES = ['.log', '.index', '.timeindex', '.txnindex', '.snapshot'];

describe('a broker that has lost the end of its', () => {
  it.each([
    ['transactions', 'transactions-', /were committed, and are not there/],
    ['keys', 'keys-', /^the value of key/],
    ['commits', '__consumer_offsets-', /^the offset of group/],
    ['settings', '__cluster_metadata-', /^(topic|broker|brokers|group|user|quota of|ACLs of) /],
  ])('%s is found out', async (name, log, complaint) => {
    const { victim, usages } = await startVictim();
    try {
      await victim.killAtWork(usages, random, { isBusy: true, afterMs: LIFE_MS });
      cutLogs(victim.weir.data, log);
      await victim.restart();
      const usage = usages.filter((one) => one.name === name);
      const faults = await faultsOf(victim.weir.port, usage, 'check');
      expect(faults).toContainEqual(expect.stringMatching(complaint));
    } finally {
      await victim.weir.stop();
    }
  });
});

describe('the books of a register', () => {
  const found = (value: string | null) => new Map([['r', value]]);

  it('allow what was answered last, and what was asked for since, and nothing else', () => {
    const told = (value: string | null): number => {
      const registers = new Registers('register');
      for (const written of ['1', null, '2']) {
        registers.ask('r', written);
        registers.acknowledge('r');
      }
      registers.ask('r', '3');
      return registers.faults(found(value)).length;
    };
    expect(['2', '3'].map(told)).toEqual([0, 0]);
    expect(['1', null, '4', 'half applied: 2 and 3'].map(told)).toEqual([1, 1, 1, 1]);
  });

  it('let nothing that is gone come back, and nothing that was found go', () => {
    const registers = new Registers('register');
    for (const written of ['1', null]) {
      registers.ask('r', written);
      registers.acknowledge('r');
    }
    expect(registers.faults(found('1'))).toEqual(['register r is 1, not gone']);
    registers.ask('r', '2');
    expect(registers.faults(found('2'))).toEqual([]);
    expect(registers.faults(found('1'))).toHaveLength(1);
  });

  it('do not allow what was withdrawn', () => {
    const registers = new Registers('register');
    registers.ask('r', '1');
    registers.withdraw('r');
    expect(registers.faults(found('1'))).toHaveLength(1);
  });
});
