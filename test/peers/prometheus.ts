import fs from 'node:fs';
import path from 'node:path';
import {
  freePort,
  needProgram,
  PeerProcess,
  runTool,
  type ToolResult,
  temporaryDirectory,
} from './peer.ts';

const PACKAGE = 'prometheus';

export interface PrometheusOptions {
  /** `host:port` of what to scrape, under `/metrics`. */
  readonly targets: readonly string[];
  readonly scrapeInterval?: string;
  /** Files of recording and alerting rules. */
  readonly ruleFiles?: readonly string[];
  readonly metricsPath?: string;
  /** YAML appended to the configuration (`remote_write:` …). */
  readonly extra?: string;
}

export interface PrometheusSample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

export interface Prometheus {
  readonly url: string;
  /** An instant query's vector. */
  query(expression: string): Promise<readonly PrometheusSample[]>;
  /** `data` of any GET of the API, for example `/api/v1/targets`. */
  api(where: string): Promise<unknown>;
  stop(): Promise<void>;
}

/** A Prometheus that scrapes the targets. */
export function startPrometheus(options: PrometheusOptions): Promise<Prometheus> {
  const interval = options.scrapeInterval ?? '1s';
  const configuration = {
    global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
    rule_files: options.ruleFiles ?? [],
    scrape_configs: [
      {
        job_name: 'weir',
        metrics_path: options.metricsPath ?? '/metrics',
        static_configs: [{ targets: options.targets }],
      },
    ],
  };
  const lines = Object.entries(configuration).map(
    ([key, value]) => `${key}: ${JSON.stringify(value)}\n`,
  );
  return runPrometheus(`${lines.join('')}${options.extra ?? ''}\n`);
}

/** A Prometheus with the text of its configuration, which names other files by absolute paths. */
export async function runPrometheus(configuration: string): Promise<Prometheus> {
  const program = needProgram('prometheus', PACKAGE);
  const directory = temporaryDirectory('prometheus');
  const file = path.join(directory, 'prometheus.yml');
  fs.writeFileSync(file, configuration);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const peer = await PeerProcess.start({
    name: 'prometheus',
    command: program,
    args: [
      `--config.file=${file}`,
      `--storage.tsdb.path=${path.join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ],
    ready: async () => (await fetch(`${url}/-/ready`)).ok,
    startTimeoutMs: 30_000,
    data: [directory],
  });
  const api = async (where: string): Promise<unknown> => {
    const response = await fetch(url + where);
    const body = (await response.json()) as { status: string; data: unknown; error?: string };
    if (body.status !== 'success') throw new Error(`${where}: ${body.error ?? response.status}`);
    return body.data;
  };
  return {
    url,
    api,
    async query(expression) {
      const data = await api(`/api/v1/query?query=${encodeURIComponent(expression)}`);
      return (data as { result: readonly PrometheusSample[] }).result;
    },
    stop: () => peer.stop(),
  };
}

/** `promtool` with the given arguments, for example `['check', 'metrics']` with text on stdin. */
export const promtool = (args: readonly string[], stdin?: string): Promise<ToolResult> =>
  runTool(needProgram('promtool', PACKAGE), args, stdin === undefined ? {} : { stdin });
