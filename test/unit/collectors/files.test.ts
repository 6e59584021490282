import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import zlib from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { nodeDisk } from '../../../src/base/node-disk.ts';
import {
  CHECKPOINTS_MAX,
  type Checkpoint,
  CheckpointFile,
} from '../../../src/collectors/files/checkpoints.ts';
import { Discovery } from '../../../src/collectors/files/discovery.ts';
import { type FileSystem, nodeFileSystem } from '../../../src/collectors/files/file-system.ts';
import { FilesCollector } from '../../../src/collectors/files/files-collector.ts';
import { FollowedFiles } from '../../../src/collectors/files/followed-files.ts';
import { ENTRIES_MAX } from '../../../src/collectors/files/glob.ts';
import { collectorDefaults, type FilesSettings } from '../../../src/collectors/settings.ts';
import { ErrorCode, ProtocolError } from '../../../src/protocol/error-codes.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { type MemorySink, memorySinks } from './support/memory-sink.ts';

let root = '';
let folder = '';
let collector: FilesCollector | null = null;
let sink: MemorySink;
/** Messages of all collectors of a test, in order. */
let earlier: unknown[] = [];
/** The system's code that opening, looking at and listing a path fails with. */
const faults = new Map<string, string>();

/** Inodes that paths are said to have. */
const inodes = new Map<string, string>();
/** Fields of the warnings of a test. */
let warned: unknown[] = [];

const failing: FileSystem = {
  open: (at) => refuse(at) ?? nodeFileSystem.open(at),
  stat: (at) => {
    const stat = refuse(`stat ${at}`) ?? nodeFileSystem.stat(at);
    const key = inodes.get(at);
    return stat === null || key === undefined ? stat : { ...stat, key };
  },
  list: (at) => refuse(at) ?? nodeFileSystem.list(at),
  linkTarget: (at) => nodeFileSystem.linkTarget(at),
};

function refuse(what: string): null {
  const code = faults.get(what);
  if (code === undefined) return null;
  throw Object.assign(new Error(`${code}: ${what}`), { code });
}

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-files-'));
  folder = path.join(root, 'logs');
  fs.mkdirSync(folder);
  earlier = [];
  warned = [];
  faults.clear();
  inodes.clear();
});
afterEach(async () => {
  await stop();
  fs.rmSync(root, { recursive: true });
});

async function start(
  settings: Partial<FilesSettings> = {},
  prepare: (made: MemorySink) => void = () => {},
): Promise<void> {
  const sinks = memorySinks();
  collector = new FilesCollector({
    settings: {
      ...collectorDefaults.files,
      paths: [path.join(folder, '**')],
      format: 'text',
      pollMs: 10,
      discoveryMs: 30,
      checkpointMs: 30,
      rotateWaitMs: 100,
      multilineTimeoutMs: 150,
      ...settings,
    },
    sinks: (options) => {
      const made = sinks.factory(options);
      prepare(sinks.sink());
      return made;
    },
    files: failing,
    disk: nodeDisk,
    clock: systemClock,
    logger: { ...silentLogger, warn: (_, fields) => warned.push(fields) },
    stateDir: path.join(root, 'data', 'collectors'),
    dataDir: path.join(root, 'data'),
  });
  await collector.start();
  sink = sinks.sink();
}

async function stop(): Promise<void> {
  if (collector === null) return;
  await collector.stop();
  collector.balance.check();
  earlier.push(...sink.messages());
  collector = null;
}

/** Ends the collector as a kill does: nothing is flushed, nothing is written. */
async function kill(): Promise<void> {
  const checkpoint = path.join(root, 'data', 'collectors', 'files.json');
  const before = fs.existsSync(checkpoint) ? fs.readFileSync(checkpoint) : null;
  await stop();
  if (before === null) fs.rmSync(checkpoint, { force: true });
  else fs.writeFileSync(checkpoint, before);
}

const write = (name: string, text: string | Buffer): void =>
  fs.appendFileSync(path.join(folder, name), text);
const seen = (): unknown[] => [...earlier, ...sink.messages()];
const event = (name: string): number => new Map(collector?.tallies()).get(name) ?? 0;
const gauge = (name: string): number => new Map(collector?.gauges()).get(name) ?? 0;
const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `line ${from + i}`);
const text = (lines: string[]): string => `${lines.join('\n')}\n`;
/** In the order of text. */
const sorted = (texts: readonly unknown[]): string[] =>
  texts.map(String).sort((a, b) => (a < b ? -1 : 1));
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 150));

describe('following', () => {
  it('reads what is there and what is added, and says where it is from', async () => {
    write('a.log', 'one\r\n\ntwo\n');
    await start();
    await expect.poll(seen).toEqual(['one', 'two']);
    write('a.log', 'three\nhal');
    await expect.poll(seen).toEqual(['one', 'two', 'three']);
    write('a.log', 'f\n');
    await expect.poll(seen).toEqual(['one', 'two', 'three', 'half']);
    expect(sink.records()[0]).toMatchObject({
      log: { file: { path: path.join(folder, 'a.log') } },
      host: { name: os.hostname() },
    });
    expect(sink.stored[0]?.headers).toEqual({
      'weir.source': 'files',
      'weir.peer': path.join(folder, 'a.log'),
    });
    expect(collector?.balance).toMatchObject({ received: 4, stored: 4 });
    expect(gauge('behind_bytes')).toBe(0);
  });

  it('finds new files and folders', async () => {
    await start();
    fs.mkdirSync(path.join(folder, 'deep', 'er'), { recursive: true });
    write('deep/er/b.log', 'b\n');
    await expect.poll(seen).toEqual(['b']);
  });

  it('leaves compressed files alone, by name and by content, and its own data', async () => {
    write('old.log.1.gz', zlib.gzipSync('no\n'));
    write('old.log.2', zlib.gzipSync('no\n'));
    write('old.log.3.zst', 'no\n');
    await start({ paths: [path.join(root, '**')] });
    write('a.log', 'yes\n');
    await expect.poll(seen).toEqual(['yes']);
    await settled();
    expect(seen()).toEqual(['yes']);
    expect(gauge('files_skipped')).toBe(1);
  });

  it('reads many files at once, with few of them open', async () => {
    for (let i = 0; i < 30; i++) write(`${i}.log`, text(numbers(0, 50)));
    await start({ openFilesMax: 4 });
    await expect.poll(() => sink.stored.length).toBe(1500);
    for (let i = 0; i < 30; i++) write(`${i}.log`, 'more\n');
    await expect.poll(() => sink.stored.length).toBe(1530);
    expect(gauge('files_open')).toBeLessThanOrEqual(4);
  });

  it('reads megabytes in order', async () => {
    const lines = numbers(0, 100_000).map((line) => `${line} ${'x'.repeat(50)}`);
    write('a.log', text(lines));
    await start();
    await expect.poll(() => sink.stored.length, { timeout: 20_000 }).toBe(lines.length);
    expect(seen()).toEqual(lines);
  });

  it('starts near the end of a large file only at the very first start', async () => {
    write('a.log', text(numbers(0, 1000)));
    await start({ initialBytesMax: 100 });
    await expect.poll(() => seen().at(-1)).toBe('line 999');
    expect(seen().length).toBeLessThan(12);
    write('b.log', text(numbers(0, 1000)));
    await expect.poll(() => seen().length).toBeGreaterThan(1000);
  });

  it('reads only what is new of a file that had rested for long', async () => {
    write('a.log', 'old\n');
    fs.utimesSync(path.join(folder, 'a.log'), 1, 1);
    await start();
    await settled();
    write('a.log', 'new\n');
    await expect.poll(seen).toEqual(['new']);
  });

  it('waits while the log is slow, and loses nothing', async () => {
    write('a.log', text(numbers(0, 500)));
    await start({}, (made) => {
      made.auto = false;
      made.bytesMax = 3000;
    });
    await expect.poll(() => sink.waiting.length).toBeGreaterThan(5);
    const pump = setInterval(() => sink.report(), 1);
    await expect.poll(() => sink.stored.length).toBe(500);
    clearInterval(pump);
    expect(seen()).toEqual(numbers(0, 500));
    expect(collector?.balance).toMatchObject({ received: 500, stored: 500 });
  });
});

describe('rotation', () => {
  it('finishes a renamed file, and goes on with the new one', async () => {
    await start({ paths: [path.join(folder, 'a.log')] });
    write('a.log', text(numbers(0, 10)));
    await expect.poll(() => seen().length).toBe(10);
    fs.renameSync(path.join(folder, 'a.log'), path.join(folder, 'a.log.1'));
    write('a.log.1', text(numbers(10, 12)) + 'no newline');
    write('a.log', text(numbers(12, 15)));
    await expect.poll(() => sorted(seen())).toEqual(sorted([...numbers(0, 15), 'no newline']));
    await settled();
    expect(seen().length).toBe(16);
    expect(event('files_rotated')).toBe(1);
    expect(gauge('files')).toBe(1);
  });

  it('does not read a file again that is renamed within the pattern', async () => {
    await start();
    for (let round = 0; round < 5; round++) {
      write('a.log', text(numbers(round * 10, round * 10 + 10)));
      await settled();
      fs.renameSync(path.join(folder, 'a.log'), path.join(folder, `a.log.${round}`));
    }
    await expect.poll(() => seen().length).toBe(50);
    await settled();
    expect(seen()).toEqual(numbers(0, 50));
  });

  it('keeps up with quick rotations', async () => {
    await start();
    for (let round = 0; round < 20; round++) {
      write('a.log', text(numbers(round * 10, round * 10 + 10)));
      fs.renameSync(path.join(folder, 'a.log'), path.join(folder, `a.log.${round}`));
      await new Promise((resolve) => setTimeout(resolve, 7));
    }
    await expect.poll(() => new Set(seen()).size).toBe(200);
    await settled();
    expect(sorted(seen())).toEqual(sorted(numbers(0, 200)));
  });

  it('does not read a rotated file again that was compressed', async () => {
    await start();
    write('a.log', text(numbers(0, 10)));
    await expect.poll(() => seen().length).toBe(10);
    fs.writeFileSync(
      path.join(folder, 'a.log.1.gz'),
      zlib.gzipSync(fs.readFileSync(path.join(folder, 'a.log'))),
    );
    fs.rmSync(path.join(folder, 'a.log'));
    write('a.log', 'new\n');
    await expect.poll(() => seen().at(-1)).toBe('new');
    await settled();
    expect(seen().length).toBe(11);
  });

  it('starts over in a truncated file, even when it has grown beyond the old size', async () => {
    await start();
    write('a.log', text(numbers(0, 10)));
    await expect.poll(() => seen().length).toBe(10);
    await settled();
    fs.writeFileSync(path.join(folder, 'a.log'), text(numbers(100, 103)));
    await expect.poll(() => seen().length).toBe(13);
    await settled();
    fs.writeFileSync(path.join(folder, 'a.log'), text(numbers(200, 300)));
    await expect.poll(() => seen().length).toBe(113);
    expect(event('files_truncated')).toBe(2);
  });

  it('does not read the copy of a file again that was copied and truncated', async () => {
    await start();
    write('a.log', text(numbers(0, 100)));
    await expect.poll(() => seen().length).toBe(100);
    await settled();
    fs.copyFileSync(path.join(folder, 'a.log'), path.join(folder, 'a.log.1'));
    fs.truncateSync(path.join(folder, 'a.log'));
    write('a.log', text(numbers(100, 110)));
    await expect.poll(() => seen().length).toBe(110);
    await settled();
    expect(seen()).toEqual(numbers(0, 110));
  });

  it('lets go of removed files', async () => {
    await start();
    write('a.log', 'a\n');
    await expect.poll(seen).toEqual(['a']);
    expect(gauge('files')).toBe(1);
    fs.rmSync(path.join(folder, 'a.log'));
    await expect.poll(() => gauge('files')).toBe(0);
    expect(seen()).toEqual(['a']);
  });
});

describe('rotation to names that no pattern yields', () => {
  const at = (name: string): string => path.join(folder, name);
  const rename = (from: string, to: string): void => fs.renameSync(at(from), at(to));
  const settings: Partial<FilesSettings> = {};
  beforeEach(() => {
    Object.assign(settings, { paths: [at('a.log')] });
  });

  /** The first ten lines are read, and the collector stops. */
  async function beforeStop(): Promise<void> {
    write('a.log', text(numbers(0, 10)));
    await start(settings);
    await expect.poll(() => seen().length).toBe(10);
    await stop();
  }

  /** All lines come once, in this run and the next. */
  async function expectOnce(count: number, more: string[] = []): Promise<void> {
    const all = sorted([...numbers(0, count), ...more]);
    await expect.poll(() => sorted(seen())).toEqual(all);
    await expect.poll(() => gauge('files')).toBe(1);
    await stop();
    await start(settings);
    await settled();
    expect(sorted(seen())).toEqual(all);
    expect(gauge('files')).toBe(1);
  }

  it.each(['a.log.1', 'a.log-20261130', 'a-20261130.log', 'a.log.2026-11-30T10:00'])(
    'finishes a file that was renamed to %s while nobody looked',
    async (name) => {
      await beforeStop();
      write('a.log', text(numbers(10, 12)) + 'no newline');
      rename('a.log', name);
      write('a.log', text(numbers(12, 15)));
      await start(settings);
      await expectOnce(15, ['no newline']);
      expect(event('files_unfinished')).toBe(0);
    },
  );

  it('says of each line the name that the file had', async () => {
    await beforeStop();
    write('a.log', text(numbers(10, 12)));
    rename('a.log', 'a.log.1');
    await start(settings);
    await expect.poll(() => sink.records().length).toBe(2);
    for (const record of sink.records()) {
      expect(record).toMatchObject({ log: { file: { path: at('a.log') } } });
    }
    expect(event('files_rotated')).toBe(1);
  });

  it('finishes a file that was closed, grew and was renamed between two looks', async () => {
    write('a.log', text(numbers(0, 10)));
    await start({ ...settings, closeIdleMs: 20 });
    await expect.poll(() => seen().length).toBe(10);
    await expect.poll(() => gauge('files_open')).toBe(0);
    write('a.log', text(numbers(10, 12)));
    rename('a.log', 'a.log.1');
    write('a.log', text(numbers(12, 15)));
    await expectOnce(15);
  });

  it('waits until a file can be read under its new name', async () => {
    write('a.log', text(numbers(0, 10)));
    await start({ ...settings, closeIdleMs: 20 });
    await expect.poll(() => seen().length).toBe(10);
    await expect.poll(() => gauge('files_open')).toBe(0);
    faults.set(at('a.log.1'), 'EACCES');
    write('a.log', text(numbers(10, 12)));
    rename('a.log', 'a.log.1');
    await expect.poll(() => warned.length).toBe(1);
    await settled();
    expect(gauge('files')).toBe(1);
    faults.clear();
    await expect.poll(seen).toEqual(numbers(0, 12));
    expect(warned).toEqual([{ 'error.message': `EACCES: ${at('a.log.1')}` }]);
  });

  it('lets go of a file that was closed and renamed, and had not grown', async () => {
    write('a.log', text(numbers(0, 10)));
    await start({ ...settings, closeIdleMs: 20 });
    await expect.poll(() => seen().length).toBe(10);
    await expect.poll(() => gauge('files_open')).toBe(0);
    rename('a.log', 'a.log.1');
    write('a.log', text(numbers(10, 12)));
    await expectOnce(12);
  });

  it('finishes a file that waits for its turn to be opened', async () => {
    write('b.log', 'line 0\nhalf');
    await start({ ...settings, paths: [at('*.log')], openFilesMax: 1 });
    await expect.poll(() => seen().length).toBe(1);
    write('a.log', text(numbers(1, 3)));
    await expect.poll(() => gauge('files')).toBe(2);
    expect(seen().length).toBe(1);
    rename('a.log', 'a.log.1');
    await settled();
    fs.rmSync(at('b.log'));
    await expect.poll(() => seen().length).toBe(4);
    expect(sorted(seen())).toEqual(sorted([...numbers(0, 3), 'half']));
  });

  it.each(['old/a.log.1', '../old/a.log-20261130', 'archive/a-20261130.log'])(
    'finishes a file that was moved to %s while nobody looked',
    async (name) => {
      await beforeStop();
      write('a.log', text(numbers(10, 12)));
      fs.mkdirSync(path.dirname(at(name)));
      rename('a.log', name);
      write('a.log', text(numbers(12, 15)));
      await start(settings);
      await expectOnce(15);
      expect(warned).toEqual([]);
    },
  );

  it('finishes a file that was closed and moved to another folder', async () => {
    write('a.log', text(numbers(0, 10)));
    fs.mkdirSync(at('old'));
    await start({ ...settings, closeIdleMs: 40 });
    await expect.poll(() => seen().length).toBe(10);
    await expect.poll(() => gauge('files_open')).toBe(0);
    write('a.log', text(numbers(10, 12)));
    rename('a.log', 'old/a.log.1');
    write('a.log', text(numbers(12, 15)));
    await expectOnce(15);
  });

  it('reads what came and was moved to the folder where what was followed is found', async () => {
    fs.mkdirSync(at('old'));
    fs.mkdirSync(at('other'));
    await beforeStop();
    write('a.log', text(numbers(10, 20)));
    rename('a.log', 'old/a.log.2');
    write('a.log', text(numbers(20, 30)));
    rename('a.log', 'old/a.log.1');
    write('a.log', text(numbers(30, 32)));
    write('other/a.log.1', 'another log\n');
    await start(settings);
    await expectOnce(32);
    expect(warned).toEqual([]);
  });

  it('reads no copy again that was put into another folder', async () => {
    fs.mkdirSync(at('old'));
    await beforeStop();
    write('a.log', text(numbers(10, 12)));
    fs.copyFileSync(at('a.log'), at('old/a-20261130.log'));
    fs.truncateSync(at('a.log'));
    write('a.log', text(numbers(12, 15)));
    await start({ paths: [at('*.log'), at('*/*.log')] });
    await expect.poll(() => sorted(seen())).toEqual(sorted(numbers(0, 15)));
    await settled();
    expect(seen().length).toBe(15);
  });

  it.each([
    ['is turned to another file', 'a-1.log', 'a-2.log'],
    ['leads to a file that was renamed', 'a-1.log.1', 'a-1.log'],
    ['leads to a file that was moved', 'old/a-1.log', 'a-1.log'],
  ])('finishes a file when the link to it %s', async (_, moved, next) => {
    const there = path.join(root, 'elsewhere');
    fs.mkdirSync(path.join(there, 'old'), { recursive: true });
    fs.writeFileSync(path.join(there, 'a-1.log'), text(numbers(0, 10)));
    fs.symlinkSync(path.join(there, 'a-1.log'), at('a.log'));
    await start(settings);
    await expect.poll(() => seen().length).toBe(10);
    await stop();
    write('a.log', text(numbers(10, 12)));
    fs.renameSync(path.join(there, 'a-1.log'), path.join(there, moved));
    fs.writeFileSync(path.join(there, next), text(numbers(12, 15)));
    fs.rmSync(at('a.log'));
    fs.symlinkSync(path.join(there, next), at('a.log'));
    await start(settings);
    await expectOnce(15);
    expect(warned).toEqual([]);
  });

  it('reads what came and was rotated while nobody looked', async () => {
    write('a.log.9', 'older than all that was followed\n');
    await beforeStop();
    for (let round = 1; round < 4; round++) {
      write('a.log', text(numbers(round * 10, round * 10 + 10)));
      for (let i = round; i > 1; i--) rename(`a.log.${i - 1}`, `a.log.${i}`);
      rename('a.log', 'a.log.1');
    }
    write('a.log', text(numbers(40, 42)));
    write('a.log.audit', 'another log\n');
    await start(settings);
    await expectOnce(42);
    expect(warned).toEqual([]);
  });

  it('takes no other file on the same inode for the old one', async () => {
    await beforeStop();
    const key = nodeFileSystem.stat(at('a.log'))!.key;
    rename('a.log', 'moved elsewhere');
    write('a.log.1', text(numbers(10, 30)));
    inodes.set(at('a.log.1'), key);
    inodes.set(at('moved elsewhere'), '0:0');
    write('a.log', text(numbers(30, 32)));
    await start(settings);
    await expectOnce(32);
    expect(warned).toEqual([{ 'log.file.path': at('a.log'), 'weir.bytes.read': 70 }]);
  });

  it('reads the rest of a file that was copied and truncated while nobody looked', async () => {
    await beforeStop();
    write('a.log', text(numbers(10, 12)));
    fs.copyFileSync(at('a.log'), at('a.log.2'));
    fs.truncateSync(at('a.log'));
    write('a.log', text(numbers(12, 22)));
    fs.copyFileSync(at('a.log'), at('a.log.1'));
    fs.truncateSync(at('a.log'));
    write('a.log', text(numbers(22, 25)));
    await start(settings);
    await expectOnce(25);
    expect(warned).toEqual([]);
  });

  it('reads the rest of a file that was copied and truncated between two looks', async () => {
    write('a.log', text(numbers(0, 10)));
    await start(settings);
    await expect.poll(() => seen().length).toBe(10);
    await settled();
    write('a.log', text(numbers(10, 12)));
    fs.copyFileSync(at('a.log'), at('a.log.1'));
    fs.truncateSync(at('a.log'));
    await expect.poll(() => event('files_truncated')).toBe(1);
    write('a.log', text(numbers(12, 15)));
    await expectOnce(15);
  });

  it('says how much was not read of a file that was compressed meanwhile', async () => {
    await beforeStop();
    const zip = (name: string, lines: string[]): void =>
      fs.writeFileSync(at(name), zlib.gzipSync(text(lines)));
    zip('a.log.2.gz', numbers(0, 12));
    zip('a.log.1.gz', numbers(12, 20));
    // Being compressed: the original is there still.
    zip('a.log.3.gz', numbers(20, 22));
    write('a.log.3', text(numbers(12, 14)));
    fs.rmSync(at('a.log'));
    write('a.log', text(numbers(10, 12)));
    await start(settings);
    await expect.poll(() => seen().length).toBe(14);
    expect(event('files_unfinished')).toBe(2);
    await expectOnce(14);
    expect(warned).toEqual([
      { 'log.file.path': at('a.log.2.gz'), 'weir.bytes.unread': 16 },
      { 'log.file.path': at('a.log.1.gz') },
    ]);
  });

  it.each([0, 1, 10])('says nothing of %i lines that had been read to their end', async (lines) => {
    write('a.log', lines === 0 ? '' : text(numbers(0, lines)));
    await start(settings);
    await expect.poll(() => seen().length).toBe(lines);
    await expect.poll(() => event('checkpoints_written')).toBeGreaterThan(0);
    await stop();
    fs.writeFileSync(at('a.log.1.gz'), zlib.gzipSync(fs.readFileSync(at('a.log'))));
    fs.utimesSync(at('a.log.1.gz'), 1, 1);
    fs.rmSync(at('a.log'));
    write('a.log', text(numbers(lines, lines + 2)));
    await start(settings);
    await expectOnce(lines + 2);
    expect(warned).toEqual([]);
  });

  it.each([
    [59, 1],
    [61, 0],
  ])('warns of a file that rested %i minutes and is then written anew: %i', (minutes, times) => {
    write('a.log', text(numbers(0, 10)));
    write('busy.log', 'x\n');
    const clock = new ManualClock();
    const follow = (): FollowedFiles => {
      const state = path.join(root, 'data');
      const followed = new FollowedFiles({
        settings: { ...collectorDefaults.files, paths: [at('*.log')] },
        sinks: memorySinks().factory,
        files: nodeFileSystem,
        disk: nodeDisk,
        clock,
        logger: { ...silentLogger, warn: (_, fields) => warned.push(fields) },
        stateDir: state,
        dataDir: state,
      });
      followed.discover(clock.monotonic());
      return followed;
    };
    const readAll = (followed: FollowedFiles): void => {
      for (const tail of followed.due(Number.POSITIVE_INFINITY)) {
        if (followed.look(tail, clock.monotonic())) tail.endRange(tail.beginRange(), tail.size);
      }
    };
    const followed = follow();
    readAll(followed);
    clock.advance(minutes * 60_000);
    // Another file that grows is why the positions are written again.
    write('busy.log', 'x\n');
    readAll(followed);
    followed.save();
    followed.closeAll();
    fs.writeFileSync(at('a.log'), text(numbers(20, 40)));
    clock.advance(1000);
    follow().closeAll();
    expect(warned.length).toBe(times);
  });

  it('leaves alone what is not to be followed any more', async () => {
    await beforeStop();
    write('a.log', text(numbers(10, 12)));
    write('b.log', 'b\n');
    await start({ paths: [at('b.log')] });
    await expect.poll(() => seen().at(-1)).toBe('b');
    await settled();
    expect(seen().length).toBe(11);
  });

  it('goes on under whatever name after a kill', async () => {
    await beforeStop();
    write('a.log', text(numbers(10, 110)));
    rename('a.log', 'a.log.1');
    await start({ ...settings, acks: 'all' }, (made) => {
      made.auto = false;
    });
    await expect.poll(() => sink.waiting.length).toBe(100);
    await settled();
    await kill();
    earlier = earlier.slice(0, 10);
    rename('a.log.1', 'a.log.2');
    write('a.log', text(numbers(110, 112)));
    await start(settings);
    await expectOnce(112);
  });

  it('loses nothing when it is killed again and again', async () => {
    const all = numbers(0, 3000);
    const writer = (async () => {
      for (let from = 0; from < all.length; from += 50) {
        write('a.log', text(all.slice(from, from + 50)));
        if (from % 250 === 200) rename('a.log', `a.log.${from}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    })();
    for (let round = 0; round < 6; round++) {
      await start(settings);
      await new Promise((resolve) => setTimeout(resolve, 90));
      await kill();
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    await writer;
    await start(settings);
    await expect.poll(() => new Set(seen()).size).toBe(all.length);
    expect(seen().length).toBeLessThan(all.length * 2);
  });

  it('lists a folder once for all that are gone from it, and then no more', () => {
    const file = path.join(root, 'files.json');
    const files: Checkpoint[] = Array.from({ length: 50 }, (_, i) => ({
      path: at(`${i}.log`),
      key: `1:${i}`,
      position: 0,
      fingerprint: { length: 0, head: '', at: 0, before: '' },
      seenMs: Date.now(),
    }));
    new CheckpointFile(nodeDisk, file, silentLogger).save(files, Date.now());
    write('50.log', '');
    const lists: string[] = [];
    const discovery = new Discovery(
      {
        settings: { ...collectorDefaults.files, paths: files.map((known) => known.path) },
        files: {
          ...nodeFileSystem,
          list: (folder) => {
            lists.push(folder);
            return nodeFileSystem.list(folder);
          },
        },
        clock: systemClock,
        logger: silentLogger,
        dataDir: path.join(root, 'data'),
      },
      new Map(),
      new CheckpointFile(nodeDisk, file, silentLogger),
    );
    discovery.run();
    discovery.run();
    expect(lists).toContain(folder);
    expect(new Set(lists).size).toBe(lists.length);
  });
});

describe('checkpoints', () => {
  it('goes on after a stop where it was, whatever the names are by then', async () => {
    write('a.log', text(numbers(0, 100)));
    await start();
    await expect.poll(() => seen().length).toBe(100);
    await stop();
    fs.renameSync(path.join(folder, 'a.log'), path.join(folder, 'a.log.1'));
    write('a.log.1', text(numbers(100, 102)));
    write('a.log', text(numbers(102, 105)));
    await start();
    await expect.poll(() => seen().length).toBe(105);
    await settled();
    expect(sorted(seen())).toEqual(sorted(numbers(0, 105)));
  });

  it('starts over when the file was replaced meanwhile', async () => {
    write('a.log', text(numbers(0, 100)));
    await start();
    await expect.poll(() => seen().length).toBe(100);
    await stop();
    fs.writeFileSync(path.join(folder, 'a.log'), text(numbers(500, 700)));
    await start();
    await expect.poll(() => seen().length).toBe(300);
  });

  it('does not move before the log has answered', async () => {
    write('a.log', text(numbers(0, 100)));
    await start({ acks: 'all' }, (made) => {
      made.auto = false;
    });
    await expect.poll(() => sink.waiting.length).toBe(100);
    sink.report(null, 30);
    await settled();
    await kill();
    earlier = earlier.slice(0, 30);
    await start();
    await expect.poll(() => seen().length).toBe(130);
    // The first thirty are there twice: their chunk was not confirmed as a whole.
    expect(new Set(seen()).size).toBe(100);
  });

  it('loses nothing and doubles little when it is killed again and again', async () => {
    const all = numbers(0, 3000);
    const writer = (async () => {
      for (let at = 0; at < all.length; at += 50) {
        write('a.log', text(all.slice(at, at + 50)));
        if (at % 500 === 450)
          fs.renameSync(path.join(folder, 'a.log'), path.join(folder, `a.log.${at}`));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    })();
    for (let round = 0; round < 6; round++) {
      await start();
      await new Promise((resolve) => setTimeout(resolve, 90));
      await kill();
    }
    await writer;
    await start();
    await expect.poll(() => new Set(seen()).size).toBe(all.length);
    await settled();
    expect(sorted([...new Set(seen())])).toEqual(sorted(all));
    expect(seen().length).toBeLessThan(all.length * 2);
  });

  it('reads again what the log refused', async () => {
    write('a.log', text(numbers(0, 20)));
    await start({}, (made) => {
      made.error = new Error('no leader');
    });
    await expect.poll(() => event('rereads')).toBe(1);
    expect(collector?.status().light).toBe('yellow');
    expect(collector?.balance).toMatchObject({ received: 20, stored: 0, droppedTotal: 0 });
    sink.error = null;
    await expect.poll(seen).toEqual(numbers(0, 20));
    expect(collector?.balance).toMatchObject({ received: 20, stored: 20, inFlight: 0 });
  });

  it('reads from the start when its checkpoints are unreadable', async () => {
    write('a.log', text(numbers(0, 10)));
    await start();
    await expect.poll(() => seen().length).toBe(10);
    await stop();
    fs.writeFileSync(
      path.join(root, 'data', 'collectors', 'files.json'),
      '{"version":1,"files":[{',
    );
    await start();
    await expect.poll(() => seen().length).toBe(20);
  });
});

describe('files that can not be read', () => {
  it('hold up no others, and no checkpoints', async () => {
    const secret = path.join(folder, 'a.log');
    const broken = path.join(folder, 'b.log');
    write('a.log', '');
    write('b.log', 'lost for now\n');
    faults.set(secret, 'EACCES');
    await start();
    await expect.poll(seen).toEqual(['lost for now']);
    faults.set(broken, 'EIO');
    faults.set(`stat ${broken}`, 'EIO');
    write('c.log', 'one\n');
    await expect.poll(seen).toEqual(['lost for now', 'one']);
    write('c.log', 'two\n');
    await expect.poll(seen).toEqual(['lost for now', 'one', 'two']);
    const saved = (): string =>
      fs.readFileSync(path.join(root, 'data', 'collectors', 'files.json'), 'utf8');
    await expect.poll(saved).toContain('"position":8');
  });

  it('say so while they are followed, and go on when they can be read again', async () => {
    const broken = path.join(folder, 'b.log');
    write('b.log', 'one\n');
    await start({ closeIdleMs: 20 });
    await expect.poll(seen).toEqual(['one']);
    await expect.poll(() => gauge('files_open')).toBe(0);
    faults.set(broken, 'EIO');
    write('b.log', 'two\n');
    await expect.poll(() => collector!.status().light).toBe('yellow');
    expect(collector!.status().reason).toContain(broken);
    faults.clear();
    await expect.poll(seen).toEqual(['one', 'two']);
    await expect.poll(() => collector!.status().light).toBe('green');
  });

  it('of one folder are no reason to find none in another', async () => {
    fs.mkdirSync(path.join(folder, 'bad'));
    fs.mkdirSync(path.join(folder, 'good'));
    faults.set(path.join(folder, 'bad'), 'EIO');
    await start({ paths: [path.join(folder, 'bad', '*'), path.join(folder, 'good', '*')] });
    write('good/a.log', 'found\n');
    await expect.poll(seen).toEqual(['found']);
  });
});

describe('more files than there is room for', () => {
  it('are said to have no position that is kept', () => {
    const file = path.join(root, 'files.json');
    const checkpoints = new CheckpointFile(nodeDisk, file, silentLogger);
    const of = (i: number, seenMs: number): Checkpoint => ({
      path: `/var/log/${i}.log`,
      key: `1:${i}`,
      position: i,
      fingerprint: { length: 0, head: '', at: 0, before: '' },
      seenMs,
    });
    const followed = Array.from({ length: CHECKPOINTS_MAX - 1 }, (_, i) => of(i, 1000));
    checkpoints.save([...followed, of(-1, 500), of(-2, 400)], 1000);
    // Those that are gone make room; it costs nothing as long as they do not come back.
    expect(checkpoints.left).toBe(0);
    checkpoints.save([...followed, of(-1, 1000), of(-2, 1000), of(-3, 1000)], 1000);
    expect(checkpoints.left).toBe(2);
  });

  it('are said to be too many to be looked at', async () => {
    const names = Array.from({ length: ENTRIES_MAX + 1 }, (_, i) => ({
      name: `${i}`,
      isFolder: false,
    }));
    const warned: unknown[] = [];
    const checkpoints = new CheckpointFile(nodeDisk, path.join(root, 'files.json'), silentLogger);
    const discovery = new Discovery(
      {
        settings: { ...collectorDefaults.files, paths: ['/many/*.log'] },
        files: { ...nodeFileSystem, list: () => names },
        clock: systemClock,
        logger: { ...silentLogger, warn: (_, fields) => warned.push(fields) },
        dataDir: root,
      },
      new Map(),
      checkpoints,
    );
    discovery.run();
    discovery.run();
    expect(warned).toEqual([
      { 'error.message': `'/many/*.log': more than ${ENTRIES_MAX} entries` },
    ]);
  });
});

describe('a line that the log will never take', () => {
  it('is dropped and counted, and those behind it are read', async () => {
    write('a.log', 'huge\n');
    await start({}, (made) => {
      made.auto = false;
    });
    await expect.poll(() => sink.waiting.length).toBe(1);
    sink.auto = true;
    sink.report(new ProtocolError(ErrorCode.MESSAGE_TOO_LARGE));
    write('a.log', 'small\n');
    await expect.poll(seen).toEqual(['small']);
    expect(collector?.balance).toMatchObject({ received: 2, stored: 1 });
    expect(collector?.balance.dropped.get('too_large')).toBe(1);
    expect(event('rereads')).toBe(0);
  });
});

describe('lines', () => {
  it('splits a line of ten megabytes, in bounded pieces', async () => {
    const line = 'é'.repeat(5_000_000);
    write('a.log', `${line}\nnext\n`);
    await start({ lineBytesMax: 100_001, initialBytesMax: 100_000_000 });
    await expect.poll(() => seen().at(-1), { timeout: 20_000 }).toBe('next');
    const pieces = seen().slice(0, -1);
    expect(pieces.length).toBe(Math.ceil(10_000_000 / 100_000));
    expect(pieces.join('')).toBe(line);
    expect(sink.records()[0]?.['tags']).toEqual(['split']);
  });

  it('keeps NUL bytes and bytes that are not UTF-8', async () => {
    write('a.log', Buffer.from('a\u0000b\xff\n', 'latin1'));
    await start();
    await expect
      .poll(() => sink.records())
      .toMatchObject([{ message: 'a\u0000b\uFFFD', tags: ['invalid_utf8'] }]);
  });

  it('takes each line as it looks', async () => {
    write(
      'a.log',
      [
        'Nov 22 10:00:00 host1 cron[12]: ran',
        '2026-11-22T10:00:00.123456+01:00 host2 app: said',
        '{"level":"warn","msg":"from json","time":"2026-11-22T10:00:00Z","log":{"x":1}}',
        '{"broken":',
        '2026-11-22T10:00:00Z INFO main: text',
        'Nothing special: here',
        '',
      ].join('\n'),
    );
    await start({ format: 'auto' });
    const file = path.join(folder, 'a.log');
    await expect
      .poll(() => sink.records())
      .toMatchObject([
        {
          message: 'ran',
          host: { name: 'host1' },
          process: { name: 'cron', pid: 12 },
          log: { file: { path: file } },
        },
        {
          '@timestamp': '2026-11-22T10:00:00.123456+01:00',
          message: 'said',
          host: { name: 'host2' },
          service: { name: 'app' },
        },
        {
          '@timestamp': '2026-11-22T10:00:00Z',
          message: 'from json',
          level: 'warn',
          'log.file.path': file,
        },
        { message: '{"broken":' },
        {
          '@timestamp': '2026-11-22T10:00:00Z',
          message: '2026-11-22T10:00:00Z INFO main: text',
          host: { name: os.hostname() },
        },
        { message: 'Nothing special: here', log: { file: { path: file } } },
      ]);
  });

  const joined = async (settings: Partial<FilesSettings>, input: string[]): Promise<unknown[]> => {
    await start(settings);
    for (const line of input) {
      write('a.log', `${line}\n`);
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    await expect.poll(() => seen().join('\n')).toBe(input.join('\n'));
    return seen();
  };

  it('joins the stack traces of Java', async () => {
    expect(
      await joined({ multiline: 'java' }, [
        'first',
        'java.lang.Error: x',
        '\tat A.b(A.java:1)',
        'Caused by: y',
        '\t... 3 more',
        'last',
      ]),
    ).toEqual([
      'first',
      'java.lang.Error: x\n\tat A.b(A.java:1)\nCaused by: y\n\t... 3 more',
      'last',
    ]);
  });

  it('joins the tracebacks of Python', async () => {
    expect(
      await joined({ multiline: 'python' }, [
        'ERROR oops',
        'Traceback (most recent call last):',
        '  File "a.py"',
        '    f()',
        'ValueError: x',
        'next',
      ]),
    ).toEqual([
      'ERROR oops\nTraceback (most recent call last):\n  File "a.py"\n    f()\nValueError: x',
      'next',
    ]);
  });

  it('joins the panics of Go', async () => {
    expect(
      await joined({ multiline: 'go' }, [
        'start',
        'panic: x',
        'goroutine 1 [running]:',
        'main.f(0x1)',
        '\t/a.go:1 +0x1',
        'exit status 2',
        'again',
      ]),
    ).toEqual([
      'start',
      'panic: x\ngoroutine 1 [running]:\nmain.f(0x1)\n\t/a.go:1 +0x1\nexit status 2',
      'again',
    ]);
  });

  it('joins what does not match the pattern of a first line', async () => {
    expect(
      await joined({ multiline: 'pattern', multilineStart: '^\\[' }, ['[1] a', 'b', 'c', '[2] d']),
    ).toEqual(['[1] a\nb\nc', '[2] d']);
  });

  it('bounds what it joins', async () => {
    write('a.log', `start\n${' more\n'.repeat(1000)}`);
    await start({ multiline: 'indent', lineBytesMax: 1000 });
    await expect.poll(() => seen().join('\n').length).toBe(5 + 6 * 1000);
    expect(seen().every((message) => String(message).length <= 1000)).toBe(true);
  });
});
