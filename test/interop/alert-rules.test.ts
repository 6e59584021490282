/** The shipped rules and configurations, judged by Prometheus' and Alertmanager's own tools. */
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { amtool } from '../peers/alertmanager.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { temporaryDirectory } from '../peers/peer.ts';
import { promtool } from '../peers/prometheus.ts';
import { root } from '../support/weir-process.ts';
import { applianceCases } from './alerting/appliance-cases.ts';
import { clusterCases } from './alerting/cluster-cases.ts';
import { recordCases } from './alerting/record-cases.ts';
import { replicationCases } from './alerting/replication-cases.ts';
import { promtoolRecordTest, promtoolTest } from './alerting/rule-case.ts';

const folder = path.join(root, 'deploy/prometheus');
const ruleFiles = ['recording-rules.yml', 'alert-rules.yml'].map((f) => path.join(folder, f));
const cases = [...replicationCases, ...clusterCases, ...applianceCases];

interface RuleFile {
  groups: {
    name: string;
    rules: {
      alert?: string;
      record?: string;
      expr: string;
      labels?: Record<string, string>;
      annotations?: Record<string, string>;
    }[];
  }[];
}
const groups = ruleFiles.flatMap(
  (file) => (parse(fs.readFileSync(file, 'utf8')) as RuleFile).groups,
);
const rules = groups.flatMap(({ rules }) => rules);

/** What `promtool test rules` says of such a file. */
async function verdictOn(content: string): Promise<string> {
  const directory = temporaryDirectory('promtool');
  const file = path.join(directory, 'test.json');
  fs.mkdirSync(directory, { recursive: true });
  fs.writeFileSync(file, content);
  const { code, stdout, stderr } = await promtool(['test', 'rules', file]);
  fs.rmSync(directory, { recursive: true });
  return `${code}: ${stdout}${stderr}`;
}

describeWithPeers(['prometheus', 'alertmanager'], 'alert rules', () => {
  test('every alert has a case here', () => {
    const alerts = rules.flatMap(({ alert }) => alert ?? []);
    expect(alerts.length).toBeGreaterThan(15);
    expect(cases.map(({ alert }) => alert).toSorted()).toEqual(alerts.toSorted());
  });

  for (const testCase of cases) {
    test(`${testCase.alert} fires, resolves, and is quiet just below`, async () => {
      const rule = rules.find(({ alert }) => alert === testCase.alert);
      const order = groups.map(({ name }) => name);
      const content = promtoolTest(testCase, rule ?? {}, ruleFiles, order);
      expect(await verdictOn(content)).toMatch(/^0: [^]*SUCCESS/);
    });
  }

  test('every recording rule has a case here', () => {
    const records = rules.flatMap(({ record }) => record ?? []);
    expect(recordCases.map(({ record }) => record).toSorted()).toEqual(records.toSorted());
  });

  for (const recordCase of recordCases) {
    test(`${recordCase.record} is what its series make`, async () => {
      const content = promtoolRecordTest(recordCase, ruleFiles);
      expect(await verdictOn(content)).toMatch(/^0: [^]*SUCCESS/);
    });
  }

  test('promtool accepts the configuration and the rules', async () => {
    const config = await promtool(['check', 'config', path.join(folder, 'prometheus.yml')]);
    expect([config.code, config.stderr]).toEqual([0, '']);
    const checked = await promtool(['check', 'rules', '--lint-fatal', ...ruleFiles]);
    expect([checked.code, checked.stderr]).toEqual([0, '']);
  });

  test('amtool accepts the configuration of Alertmanager', async () => {
    const file = path.join(root, 'deploy/alertmanager/alertmanager.yml');
    const { code, stderr } = await amtool(['check-config', file]);
    expect([code, stderr]).toEqual([0, '']);
  });

  const routes: [severity: string, receiver: string][] = [
    ['critical', 'on-call'],
    ['warning', 'operators'],
    ['info', 'operators'],
  ];
  for (const [severity, receiver] of routes) {
    test(`what is ${severity} goes to ${receiver}`, async () => {
      const file = path.join(root, 'deploy/alertmanager/alertmanager.yml');
      const args = ['config', 'routes', 'test', `--config.file=${file}`, `severity=${severity}`];
      expect((await amtool(args)).stdout.trim()).toBe(receiver);
    });
  }
});
