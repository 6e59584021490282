/**
 * The configurations of `deploy/` for a test: as they are shipped, but for addresses, and with time
 * that runs faster.
 */
import fs from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { temporaryDirectory } from '../peers/peer.ts';
import { root } from './weir-process.ts';

const deploy = path.join(root, 'deploy');
const read = (file: string): unknown => parse(fs.readFileSync(path.join(deploy, file), 'utf8'));

interface Target {
  targets: string[];
  labels: Record<string, string>;
}
interface PrometheusConfiguration {
  global: Record<string, string>;
  rule_files: string[];
  alerting: { alertmanagers: { static_configs: { targets: string[] }[] }[] };
  scrape_configs: { job_name: string; static_configs: Target[] }[];
}
interface RuleFile {
  groups: { interval?: string; rules: { alert?: string; expr: string; for?: string }[] }[];
}

export interface Shipped {
  /** `host:port` of the page of the appliance. */
  readonly appliance: string;
  /** `host:port` of the console that shows broker N, at place N. */
  readonly brokers: readonly string[];
  readonly alertmanager?: string;
  /** How many times faster than shipped everything happens that has an interval or a `for`. */
  readonly speed: number;
}

/** Text for Prometheus; the rules are written into a folder of this run. */
export function prometheusConfiguration(shipped: Shipped): string {
  const configuration = read('prometheus/prometheus.yml') as PrometheusConfiguration;
  const { speed } = shipped;
  for (const [name, value] of Object.entries(configuration.global)) {
    configuration.global[name] = faster(value, speed);
  }
  configuration.rule_files = configuration.rule_files.map((name) => rulesFile(name, speed));
  configuration.alerting.alertmanagers = [
    {
      static_configs: [
        { targets: shipped.alertmanager === undefined ? [] : [shipped.alertmanager] },
      ],
    },
  ];
  for (const { job_name, static_configs } of configuration.scrape_configs) {
    if (job_name === 'kafka') {
      // As many as there are brokers; the labels are those of the first one.
      const [first] = static_configs.splice(0);
      for (const [id, address] of shipped.brokers.entries()) {
        const labels = { ...first!.labels, __metrics_path__: `/metrics/broker/${id}` };
        static_configs.push({ targets: [address], labels: { ...labels, broker: String(id) } });
      }
    } else {
      for (const target of static_configs) target.targets = [shipped.appliance];
    }
  }
  return JSON.stringify(configuration);
}

function rulesFile(name: string, speed: number): string {
  const rules = read(`prometheus/${name}`) as RuleFile;
  for (const group of rules.groups) {
    for (const rule of group.rules) {
      if (rule.for !== undefined) rule.for = faster(rule.for, speed);
    }
  }
  const file = path.join(temporaryDirectory('rules'), name);
  fs.writeFileSync(file, JSON.stringify(rules));
  return file;
}

interface Route {
  group_wait?: string;
  group_interval?: string;
  routes?: Route[];
}
interface AlertmanagerConfiguration {
  route: Route;
  receivers: { name: string; webhook_configs: { url: string }[] }[];
}

/** Text for Alertmanager; every receiver is told at `http://…/<its name>` of `webhook`. */
export function alertmanagerConfiguration(webhook: string, speed: number): string {
  const configuration = read('alertmanager/alertmanager.yml') as AlertmanagerConfiguration;
  for (const { name, webhook_configs } of configuration.receivers) {
    for (const hook of webhook_configs) hook.url = `${webhook}/${name}`;
  }
  const { route } = configuration;
  if (route.group_wait !== undefined) route.group_wait = faster(route.group_wait, speed);
  if (route.group_interval !== undefined) {
    route.group_interval = faster(route.group_interval, speed);
  }
  return JSON.stringify(configuration);
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A duration of one unit, divided; at least a second, below which Prometheus' clock is too coarse. */
export function faster(duration: string, speed: number): string {
  const [, count, unit] = /^(\d+)(ms|s|m|h)$/.exec(duration) ?? [];
  if (unit === undefined) throw new Error(`no duration of one unit: ${duration}`);
  return `${Math.max(Math.round((Number(count) * units[unit]!) / speed), 1_000)}ms`;
}
