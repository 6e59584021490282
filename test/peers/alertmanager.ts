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

const PACKAGE = 'prometheus-alertmanager';

export interface Alertmanager {
  readonly url: string;
  /** `host:port`, as Prometheus' configuration wants it. */
  readonly target: string;
  /** Fingerprints and labels of what it holds. */
  alerts(): Promise<readonly { readonly labels: Readonly<Record<string, string>> }[]>;
  stop(): Promise<void>;
}

/** An Alertmanager alone, without a cluster, with the text of its configuration. */
export async function startAlertmanager(configuration: string): Promise<Alertmanager> {
  const program = needProgram('prometheus-alertmanager', PACKAGE);
  const directory = temporaryDirectory('alertmanager');
  const file = path.join(directory, 'alertmanager.yml');
  fs.writeFileSync(file, configuration);
  const target = `127.0.0.1:${await freePort()}`;
  const url = `http://${target}`;
  const peer = await PeerProcess.start({
    name: 'alertmanager',
    command: program,
    args: [
      `--config.file=${file}`,
      `--storage.path=${path.join(directory, 'data')}`,
      `--web.listen-address=${target}`,
      '--cluster.listen-address=',
      '--log.level=warn',
    ],
    ready: async () => (await fetch(`${url}/-/ready`)).ok,
    startTimeoutMs: 30_000,
    data: [directory],
  });
  return {
    url,
    target,
    async alerts() {
      const response = await fetch(`${url}/api/v2/alerts`);
      return (await response.json()) as { labels: Record<string, string> }[];
    },
    stop: () => peer.stop(),
  };
}

export const amtool = (args: readonly string[]): Promise<ToolResult> =>
  runTool(needProgram('amtool', PACKAGE), args);
