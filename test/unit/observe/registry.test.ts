import { describe, expect, it } from 'vitest';
import { metric, metricNames } from '../../../src/observe/catalogue.ts';
import { LatencyHistogram } from '../../../src/observe/latency.ts';
import { mergeExpositions, parseExposition } from '../../../src/observe/merge-exposition.ts';
import { MetricsRegistry } from '../../../src/observe/registry.ts';

const helps = { help: 'h', labels: ['a'] } as const;

describe('MetricsRegistry', () => {
  it('copies counters at the scrape, not before', async () => {
    const registry = new MetricsRegistry();
    let count = 0;
    registry.family({ name: 'x_total', type: 'counter', help: 'Things.' }, (emit) => emit(count));
    count = 41;
    expect(await registry.text()).toBe(
      '# HELP x_total Things.\n# TYPE x_total counter\nx_total 41\n',
    );
    count += 1;
    expect(parseExposition(await registry.text())).toEqual([
      { name: 'x_total', labels: {}, value: 42 },
    ]);
  });

  it('writes label values that need escapes so that they can be read back', async () => {
    const registry = new MetricsRegistry();
    const odd = 'a "quoted"\\ line\nbreak } {';
    registry.family({ name: 'x', type: 'gauge', ...helps }, (emit) => emit(1, odd));
    const text = await registry.text();
    expect(parseExposition(text)).toEqual([{ name: 'x', labels: { a: odd }, value: 1 }]);
    expect(parseExposition(mergeExpositions([text]).text)[0]?.labels).toEqual({ a: odd });
  });

  it('refuses a second family of one name, and a wrong number of labels', async () => {
    const registry = new MetricsRegistry();
    registry.family({ name: 'x', type: 'gauge', ...helps }, (emit) => emit(1));
    expect(() => registry.family({ name: 'x', type: 'gauge', help: '' }, () => {})).toThrow(
      /already/,
    );
    await expect(registry.text()).rejects.toThrow('x has 1 labels, but 0 values were given');
  });

  it("writes a latency as Kafka's gauges, their count, and a histogram in seconds", async () => {
    const registry = new MetricsRegistry();
    const latency = new LatencyHistogram();
    for (let i = 0; i < 100; i++) latency.record(5);
    const spec = {
      name: 'kafka_x_timems',
      help: 'h',
      labels: ['request'],
      histogram: 'weir_x_seconds',
    };
    registry.latency(spec, (emit) => emit(latency, 'Produce'));
    const text = await registry.text();
    expect(text).toContain('# TYPE kafka_x_timems gauge\n');
    expect(text).toContain('kafka_x_timems{request="Produce",quantile="0.50"} ');
    expect(text).toContain('kafka_x_timems{request="Produce",quantile="0.999"} ');
    expect(text).toContain('# TYPE kafka_x_timems_count counter\n');
    expect(text).toContain('kafka_x_timems_count{request="Produce"} 100\n');
    expect(text).toContain('# TYPE weir_x_seconds histogram\n');
    expect(text).toContain('weir_x_seconds_bucket{request="Produce",le="0.0025"} 0\n');
    expect(text).toContain('weir_x_seconds_bucket{request="Produce",le="0.01"} 100\n');
    expect(text).toContain('weir_x_seconds_bucket{request="Produce",le="+Inf"} 100\n');
    expect(text).toContain('weir_x_seconds_sum{request="Produce"} 0.5\n');
  });

  it('names the thread it is on', async () => {
    const samples = parseExposition(await new MetricsRegistry({ role: 'broker' }).text());
    expect(samples.map(({ name, labels }) => [name, labels['role']])).toEqual([
      ['weir_role_event_loop_utilization', 'broker'],
      ['weir_role_heap_used_bytes', 'broker'],
      ['weir_role_external_bytes', 'broker'],
    ]);
    for (const { name } of samples) expect(metricNames).toContain(name);
  });
});

describe('mergeExpositions', () => {
  it('describes a family once and keeps its series together', () => {
    const of = (role: string): string =>
      `# HELP up Up.\n# TYPE up gauge\nup{role="${role}"} 1\n\n# HELP only_${role} O.\n# TYPE only_${role} counter\nonly_${role} 2\n`;
    expect(mergeExpositions([of('a'), of('b')])).toEqual({
      duplicates: 0,
      text: [
        '# HELP up Up.',
        '# TYPE up gauge',
        'up{role="a"} 1',
        'up{role="b"} 1',
        '# HELP only_a O.',
        '# TYPE only_a counter',
        'only_a 2',
        '# HELP only_b O.',
        '# TYPE only_b counter',
        'only_b 2',
        '',
      ].join('\n'),
    });
  });

  it('leaves out, and counts, a series that stands twice', () => {
    const { text, duplicates } = mergeExpositions([
      'x{a="1"} 1\nx 2\n',
      'x 3\nx{a="1"} 4\nx{a="2"} 5\n',
    ]);
    expect(text).toBe('x{a="1"} 1\nx 2\nx{a="2"} 5\n');
    expect(duplicates).toBe(2);
  });

  it("keeps a histogram's parts below it, and a family named like a part on its own", () => {
    const histogram = '# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n';
    const gauge = '# TYPE g gauge\ng{quantile="0.50"} 1\n# TYPE g_count counter\ng_count 9\n';
    const { text } = mergeExpositions([gauge, histogram, gauge.replaceAll('"0.50"', '"0.75"')]);
    expect(text.match(/# TYPE/g)).toHaveLength(3);
    expect(text).toContain('# TYPE g gauge\ng{quantile="0.50"} 1\ng{quantile="0.75"} 1\n');
    expect(text).toContain('# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n');
  });

  it('tells the series of threads apart by the labels it adds', () => {
    const text = '# TYPE x gauge\nx 1\nx{a="}{",b="1"} 3\nx{broker="own"} 4\ny{mybroker="1"} 5\n';
    const of = (broker: string) => ({
      text,
      labels: [['broker', broker] as const, ['kafka_cluster', 'a"b\\'] as const],
    });
    const merged = mergeExpositions([of('0'), of('1'), 'x{a="2"} 1\n']);
    const constant = String.raw`kafka_cluster="a\"b\\"`;
    const series = (broker: string): string[] => [
      `x{broker="${broker}",${constant}} 1`,
      `x{broker="${broker}",${constant},a="}{",b="1"} 3`,
    ];
    expect(merged.text.split('\n')).toEqual([
      '# TYPE x gauge',
      ...series('0'),
      `x{${constant},broker="own"} 4`,
      ...series('1'),
      'x{a="2"} 1',
      `y{broker="0",${constant},mybroker="1"} 5`,
      `y{broker="1",${constant},mybroker="1"} 5`,
      '',
    ]);
    expect(merged.duplicates).toBe(1);
    const same = [['c', 'x'] as const];
    const twice = mergeExpositions([
      { text: 'z 1\n', labels: same },
      { text: 'z 2\n', labels: same },
    ]);
    expect(twice).toEqual({ text: 'z{c="x"} 1\n', duplicates: 1 });
  });

  it('makes nothing of nothing', () => {
    expect(mergeExpositions([])).toEqual({ text: '', duplicates: 0 });
  });
});

describe('the catalogue', () => {
  it('has names that Prometheus takes, counters that end like counters, and help that ends', () => {
    for (const name of metricNames) {
      const spec = metric(name as Parameters<typeof metric>[0]);
      expect(name).toMatch(/^[a-z_:][a-z0-9_:]*$/);
      expect(spec.help, name).toMatch(/[.)]$/);
      if (spec.type === 'counter' && name.startsWith('weir_')) expect(name).toMatch(/_total$/);
      if (spec.type !== 'counter') expect(name).not.toMatch(/_total$/);
    }
  });
});
