/**
 * What one alert has to do, in the terms of `promtool test rules`: series go in, and at given times
 * the alert fires with these labels and texts, or does not.
 */
export interface Series {
  /** `name{labels}`; `kafka_cluster="c"` is added. */
  readonly series: string;
  /** promtool's notation, one value a minute: `0 1 1+0x10`. */
  readonly values: string;
}

/** Scrapes of a minute, in steps of 15 s: they need not be in the moment in which a rule is judged. */
const SCRAPES = { '15s': '####', '30s': '_#_#', '60s': '_#__' } as const;
const SCRAPES_STEP = '15s';
type ScrapeInterval = keyof typeof SCRAPES;

export interface RuleCase {
  readonly alert: string;
  /** Series that make it fire and, later, resolve. */
  readonly input: readonly Series[];
  /** Series that are just short of it; nothing fires at any of `quiet`. */
  readonly below: readonly Series[];
  readonly quietAt: readonly string[];
  /** Does the same with these intervals between scrapes, not only with one in the minute it is judged. */
  readonly scrapedEvery?: readonly ScrapeInterval[];
  /** Times on `input`: before `for` is over, when it fires, when it is over again. */
  readonly notYetAt: string;
  readonly firesAt: string;
  readonly resolvedAt: string;
  /** What fires, without `alertname`, `severity` and `kafka_cluster`. */
  readonly fires: readonly {
    readonly labels: Readonly<Record<string, string>>;
    readonly summary: string;
    readonly description: string;
  }[];
}

export const series = (name: string, values: string): Series => ({ series: name, values });

/** The same series and values: of an alert that fires at a value and is quiet at another. */
export const one = (name: string, input: string, below: string) => ({
  input: [series(name, input)],
  below: [series(name, below)],
});

interface Rule {
  readonly alert?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The file for `promtool test rules`, as JSON, which is YAML. */
export function promtoolTest(
  testCase: RuleCase,
  rule: Rule,
  ruleFiles: readonly string[],
  groupOrder: readonly string[],
): string {
  const { alert } = testCase;
  const nothing = (at: string) => ({ alertname: alert, eval_time: at, exp_alerts: [] });
  const firing = testCase.fires.map(({ labels, summary, description }) => ({
    exp_labels: { severity: rule.labels?.['severity'], kafka_cluster: 'c', ...labels },
    exp_annotations: { summary, description, runbook_url: rule.annotations?.['runbook_url'] },
  }));
  const on = (interval: string, form: (given: Series) => Series) => [
    {
      name: 'fires and resolves',
      interval,
      input_series: testCase.input.map(form).map(inCluster),
      alert_rule_test: [
        nothing(testCase.notYetAt),
        { alertname: alert, eval_time: testCase.firesAt, exp_alerts: firing },
        nothing(testCase.resolvedAt),
      ],
    },
    {
      name: 'is quiet just below',
      interval,
      input_series: testCase.below.map(form).map(inCluster),
      alert_rule_test: testCase.quietAt.map(nothing),
    },
  ];
  return JSON.stringify({
    rule_files: ruleFiles,
    evaluation_interval: '15s',
    group_eval_order: groupOrder,
    tests: [
      ...on('1m', (given) => given),
      ...(testCase.scrapedEvery ?? []).flatMap((every) =>
        on(SCRAPES_STEP, (given) => scraped(given, SCRAPES[every])),
      ),
      { name: 'is quiet without any data', interval: '1m', alert_rule_test: [nothing('1h')] },
    ],
  });
}

/** What one recording rule makes of series at a time, without its cluster. */
export interface RecordCase {
  readonly record: string;
  readonly input: readonly Series[];
  readonly at: string;
  readonly records: readonly {
    readonly labels: Readonly<Record<string, string>>;
    readonly value: number;
  }[];
}

/** The same file for a recording rule. */
export function promtoolRecordTest(
  { record, input, at, records }: RecordCase,
  ruleFiles: readonly string[],
): string {
  const samples = records.map(({ labels, value }) => ({
    labels: nameOf(record, { ...labels, kafka_cluster: 'c' }),
    value,
  }));
  return JSON.stringify({
    rule_files: ruleFiles,
    evaluation_interval: '15s',
    tests: [
      {
        interval: '1m',
        input_series: input.map(inCluster),
        promql_expr_test: [{ expr: record, eval_time: at, exp_samples: samples }],
      },
      { interval: '1m', promql_expr_test: [{ expr: record, eval_time: '1h', exp_samples: [] }] },
    ],
  });
}

const nameOf = (record: string, labels: Readonly<Record<string, string>>): string =>
  `${record}{${Object.entries(labels)
    .map(([label, value]) => `${label}="${value}"`)
    .join(',')}}`;

/** The values of minutes, `0 1 1+0x10`, as scrapes saw them. */
function scraped({ series: name, values }: Series, scrapes: string): Series {
  const minutes = values.split(' ').flatMap((text) => {
    const [, value, more] = /^(\d+)(?:\+0x(\d+))?$/.exec(text)!;
    return Array.from({ length: 1 + Number(more ?? 0) }, () => value!);
  });
  const seen = minutes.map((value) => [...scrapes].join(' ').replaceAll('#', value));
  return { series: name, values: seen.join(' ') };
}

function inCluster({ series: name, values }: Series): Series {
  const brace = name.indexOf('{');
  const labels = brace < 0 ? '' : `,${name.slice(brace + 1, -1)}`;
  const bare = brace < 0 ? name : name.slice(0, brace);
  return { series: `${bare}{kafka_cluster="c"${labels}}`, values };
}
