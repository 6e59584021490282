/** The shipped rules hold together with the metrics that are exposed and with their runbook. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { dashboards } from '../../../dashboards/src/all.ts';
import { unknownMetrics } from '../../support/metric-names.ts';

const deploy = path.resolve(import.meta.dirname, '../../../deploy');
const read = (file: string): string => readFileSync(path.join(deploy, file), 'utf8');

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly labels?: { readonly severity?: string };
  readonly annotations?: Readonly<Record<string, string>>;
}
const rulesOf = (file: string): Rule[] =>
  (parse(read(file)) as { groups: { rules: Rule[] }[] }).groups.flatMap(({ rules }) => rules);

const recording = rulesOf('prometheus/recording-rules.yml');
const alerts = rulesOf('prometheus/alert-rules.yml');
const names = alerts.map(({ alert }) => alert ?? '');

describe('alert rules', () => {
  it('ask only for metrics that are exposed or recorded', () => {
    const recorded = new Set(recording.map(({ record }) => record ?? ''));
    const all = [...recording, ...alerts].map(({ expr }) => expr);
    expect(unknownMetrics(all, recorded)).toEqual([]);
    expect(unknownMetrics(['rate(weir_no_such_total{a="b"}[1m]) > up'])).toEqual([
      'weir_no_such_total',
    ]);
  });

  it('have a severity, a summary, a description that names what it is about, and a runbook', () => {
    expect(new Set(names).size).toBe(names.length);
    const headings = [...read('README.md').matchAll(/^### (\w+)$/gm)].map((match) => match[1]!);
    for (const { alert, labels, annotations, expr } of alerts) {
      expect([alert, labels?.severity]).toEqual([
        alert,
        expect.stringMatching(/^(critical|warning|info)$/),
      ]);
      const { summary = '', description = '', runbook_url } = annotations ?? {};
      expect([alert, summary]).toEqual([alert, expect.stringMatching(/\S/)]);
      expect(runbook_url).toBe(`deploy/README.md#${alert?.toLowerCase()}`);
      // Labels that are left by the aggregation stand in what people read.
      const by = /\bby \(([^)]*)\)/.exec(expr)?.[1]?.split(', ') ?? [];
      for (const label of by.filter((name) => name !== 'kafka_cluster')) {
        expect([alert, `${summary} ${description}`]).toEqual([
          alert,
          expect.stringContaining(`$labels.${label} `),
        ]);
      }
    }
    expect(headings).toEqual(names);
  });

  it('are named in inhibitions as they are called', () => {
    const config = parse(read('alertmanager/alertmanager.yml')) as {
      inhibit_rules: { source_matchers: string[]; target_matchers: string[] }[];
    };
    const matchers = config.inhibit_rules.flatMap((rule) => [
      ...rule.source_matchers,
      ...rule.target_matchers,
    ]);
    const named = matchers.flatMap((matcher) => matcher.match(/Weir\w+/g) ?? []);
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((name) => !names.includes(name))).toEqual([]);
  });
});

describe('runbook', () => {
  it('names panels as they are called', () => {
    const panels = dashboards.flatMap(({ rows }) => rows).flatMap((row) => row.panels);
    const titles = new Set(panels.map(({ title }) => title));
    const text = read('README.md')
      .replaceAll(/\s+/g, ' ')
      .replaceAll(/`[^`]*`|\*\*/g, '');
    const named = [...text.matchAll(/\*([^*]+)\*/g)].map((match) => match[1]!);
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((title) => !titles.has(title))).toEqual([]);
  });

  it('tells of each alert what it means, where to look and what to do', () => {
    const sections = read('README.md').split(/^### /m).slice(1);
    for (const section of sections) {
      for (const part of ['**Means**', '**Look**', '**Do**']) {
        expect([section.split('\n')[0], section.includes(part)]).toEqual([
          section.split('\n')[0],
          true,
        ]);
      }
    }
  });
});
