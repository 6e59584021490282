/** librdkafka, through kcat, on our broker: metadata, every codec, keys, headers, idempotence, groups. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWithPeers } from '../peers/gate.ts';
import { kcat } from '../peers/kcat.ts';
import { type RunningBroker, startBroker } from '../unit/broker/fixture.ts';

let running: RunningBroker;
let bootstrap: string;
beforeAll(async () => {
  running = await startBroker({ 'group.initial.rebalance.delay.ms': 0, 'num.partitions': 2 });
  bootstrap = `127.0.0.1:${running.port}`;
});
afterAll(() => running.stop());

const run = async (args: string[], stdin = ''): Promise<string> => {
  const { code, stdout, stderr } = await kcat(bootstrap, args, { stdin });
  expect(code === 0 ? '' : stderr).toBe('');
  return stdout;
};
const lines = (count: number, prefix: string): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}-${i}`);

describeWithPeers(['kcat'], 'kcat', () => {
  it('lists the broker and its topics', async () => {
    await run(['-P', '-t', 'listed'], 'x\n');
    const listed = JSON.parse(await run(['-L', '-J']));
    expect(listed.brokers).toEqual([{ id: 0, name: bootstrap }]);
    const topic = listed.topics.find((t: any) => t.topic === 'listed');
    expect(topic.partitions).toHaveLength(2);
    expect(topic.partitions[0]).toMatchObject({ partition: 0, leader: 0, isrs: [{ id: 0 }] });
  });

  it.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'])(
    'produces %s and reads it back',
    async (codec) => {
      const sent = lines(5000, codec);
      await run(['-P', '-t', `codec-${codec}`, '-p', '0', '-z', codec], sent.join('\n'));
      const got = await run(['-C', '-t', `codec-${codec}`, '-p', '0', '-e', '-q']);
      expect(got.trimEnd().split('\n')).toEqual(sent);
    },
  );

  it.each(['0', '1', 'all'])('produces with acks %s', async (acks) => {
    const sent = lines(1000, `acks${acks}`);
    await run(['-P', '-t', `acks-${acks}`, '-p', '0', '-X', `acks=${acks}`], sent.join('\n'));
    const read = () => run(['-C', '-t', `acks-${acks}`, '-p', '0', '-e', '-q']);
    await expect.poll(async () => (await read()).trimEnd().split('\n')).toEqual(sent);
  });

  // What it knows of a broker of that age: Produce 0 and 1, with message sets of magic 0.
  it.each([
    ['0.8.2', 0],
    ['0.9.0', 1],
  ])('produces as to Kafka %s, in version %i', async (age, version) => {
    const topic = `old-${version}`;
    await run(['-P', '-t', topic, '-p', '0'], 'first\n');
    const old = ['-X', 'api.version.request=false', '-X', `broker.version.fallback=${age}`];
    const codecs = ['none', 'gzip', 'snappy', 'lz4'];
    for (const codec of codecs) {
      await run(['-P', '-t', topic, '-p', '0', '-z', codec, ...old], lines(500, codec).join('\n'));
    }
    const got = await run(['-C', '-t', topic, '-p', '0', '-e', '-q']);
    const sent = ['first', ...codecs.flatMap((codec) => lines(500, codec))];
    expect(got.trimEnd().split('\n')).toEqual(sent);
    const requests = running.broker.services.apiStats.get(0)!.requests;
    expect(requests[version]).toBeGreaterThanOrEqual(codecs.length);
  });

  it('produces idempotently', async () => {
    const sent = lines(2000, 'idempotent');
    const args = ['-P', '-t', 'idempotent', '-p', '1', '-X', 'enable.idempotence=true'];
    await run(args, sent.join('\n'));
    const got = await run(['-C', '-t', 'idempotent', '-p', '1', '-e', '-q']);
    expect(got.trimEnd().split('\n')).toEqual(sent);
  });

  it('keeps keys, headers, nulls and times', async () => {
    await run(
      ['-P', '-t', 'whole', '-p', '0', '-K', ':', '-Z', '-H', 'a=1', '-H', 'b=2'],
      'k:v\nk2:\n',
    );
    const got = await run([
      '-C',
      '-t',
      'whole',
      '-p',
      '0',
      '-e',
      '-q',
      '-f',
      '%o|%k|%s|%S|%h|%T\n',
    ]);
    const rows = got
      .trimEnd()
      .split('\n')
      .map((line) => line.split('|'));
    expect(rows.map((row) => row.slice(0, 5))).toEqual([
      ['0', 'k', 'v', '1', 'a=1,b=2'],
      ['1', 'k2', '', '-1', 'a=1,b=2'],
    ]);
    for (const row of rows) expect(Math.abs(Number(row[5]) - Date.now())).toBeLessThan(60_000);
  });

  it('finds offsets by time', async () => {
    await run(['-P', '-t', 'timed', '-p', '0'], 'before\n');
    const { timestamp } = running.broker.services.partitions
      .get('timed', 0)!
      .log.maxTimestampOffset()!;
    await expect.poll(() => Date.now()).toBeGreaterThan(timestamp);
    await run(['-P', '-t', 'timed', '-p', '0'], 'after\n');
    expect(await run(['-Q', '-t', `timed:0:${timestamp + 1}`])).toContain('offset 1');
    expect(
      await run(['-C', '-t', 'timed', '-p', '0', '-o', `s@${timestamp + 1}`, '-e', '-q']),
    ).toBe('after\n');
  });

  it('reads as a group, and goes on where it was', async () => {
    await run(['-P', '-t', 'grouped'], lines(10, 'first').join('\n'));
    const read = (count: number) =>
      run([
        '-G',
        'group',
        'grouped',
        '-c',
        String(count),
        '-q',
        '-X',
        'auto.offset.reset=earliest',
      ]);
    expect((await read(10)).trimEnd().split('\n').sort()).toEqual(lines(10, 'first').sort());
    await run(['-P', '-t', 'grouped'], lines(5, 'second').join('\n'));
    expect((await read(5)).trimEnd().split('\n').sort()).toEqual(lines(5, 'second').sort());
  });

  it('is told of a topic name that cannot be', async () => {
    const { code, stderr } = await kcat(bootstrap, ['-P', '-t', 'a/b'], { stdin: 'x\n' });
    expect(code).not.toBe(0);
    expect(stderr).toContain('Invalid topic');
  });
});
