/** `weir status`: what the running appliance says of itself. */
import type { ApplianceStatus, RoleReport } from '../console/status.ts';
import type { TopicSummary } from '../console/topics.ts';
import { jsonOption } from './arguments.ts';
import { type Command, ExitCode } from './command.ts';
import { askConsole, consoleOptions } from './console-client.ts';
import { type Cell, type Column, tableText } from './table.ts';

export const statusCommand: Command = {
  name: 'status',
  summary: 'Show whether each part of a running appliance works; exit 1 when one does not.',
  usage: 'status [--url URL] [--json]',
  examples: ['weir status', 'weir status --url http://10.0.0.5:8080 --json'],
  options: [...consoleOptions, jsonOption],
  async run(args) {
    const text = await askConsole(args, '/api/v1/status');
    const status = JSON.parse(text) as ApplianceStatus;
    if (args.has('json')) await args.terminal.out(`${JSON.stringify(status, null, 2)}\n`);
    else await args.terminal.out(statusText(status));
    return status.light === 'red' ? ExitCode.FAILURE : ExitCode.OK;
  },
};

function statusText(status: ApplianceStatus): string {
  const { version, light, uptimeSeconds, dataDir, process } = status;
  const megabytes = Math.round(process.residentBytes / 1_048_576);
  const parts = [
    `Weir ${version}: ${light}, up ${duration(uptimeSeconds)}, ${megabytes} MB resident, pid ${process.pid}\nData in ${dataDir}\n`,
    tableText(
      [
        { title: 'PART', cell: (role) => role.name },
        { title: 'LIGHT', cell: (role) => role.light },
        { title: 'STATE', cell: (role) => (role.reason === '' ? 'works' : role.reason) },
      ],
      status.roles,
    ),
    ...brokersText(status),
    tableText(
      [
        { title: 'WHAT', cell: (endpoint) => endpoint.what },
        { title: 'WHERE', cell: (endpoint) => endpoint.where },
        { title: 'NOTE', cell: (endpoint) => endpoint.note },
      ],
      status.endpoints,
    ),
  ];
  if (status.topics === null) parts.push(`Topics: ${status.topicsReason}\n`);
  else {
    parts.push(
      tableText(
        hasReplicas(status) ? [...topicColumns, ...replicaColumns] : topicColumns,
        status.topics,
      ),
    );
  }
  const uncounted = (status.topics ?? []).filter(({ unknown }) => unknown > 0);
  for (const { name, partitions, unknown } of uncounted) {
    parts.push(
      `! ${name}: records of ${unknown} of ${partitions} partitions are not counted: no leader tells of them\n`,
    );
  }
  for (const warning of status.warnings) parts.push(`! ${warning}\n`);
  return parts.join('\n');
}

/** At least so many, where not all partitions are counted. */
const recordsOf = ({ records, unknown }: TopicSummary): Cell =>
  unknown > 0 ? `≥ ${records}` : records;

const topicColumns: readonly Column<TopicSummary>[] = [
  { title: 'TOPIC', cell: (topic) => topic.name },
  { title: 'PARTITIONS', cell: (topic) => topic.partitions, right: true },
  { title: 'RECORDS', cell: recordsOf, right: true },
];

const replicaColumns: readonly Column<TopicSummary>[] = [
  { title: 'REPLICATION-FACTOR', cell: (topic) => topic.replicationFactor, right: true },
  { title: 'UNDER-REPLICATED', cell: (topic) => topic.underReplicated, right: true },
];

/** Other brokers than this process's own are known by their addresses, or by what they hold. */
const hasReplicas = ({ bootstrap, topics }: ApplianceStatus): boolean =>
  bootstrap.length > 1 || (topics ?? []).some((topic) => topic.replicationFactor > 1);

const brokersOf = ({ roles }: ApplianceStatus): RoleReport[] =>
  roles.filter(({ name }) => name.startsWith('broker-'));

/** A table of the brokers, where there are several; what a broker that is down would say is absent. */
function brokersText(status: ApplianceStatus): string[] {
  const brokers = brokersOf(status);
  if (brokers.length < 2) return [];
  const cell =
    (name: string) =>
    ({ details }: RoleReport): Cell =>
      typeof details[name] === 'number' ? details[name] : null;
  return [
    tableText(
      [
        { title: 'BROKER', cell: ({ name }) => name.slice('broker-'.length), right: true },
        { title: 'ENDPOINT', cell: ({ details }) => firstOf(details['listeners']) },
        { title: 'CONTROLLER', cell: ({ details }) => (details['isController'] ? 'yes' : '') },
        { title: 'LEADERS', cell: cell('leaders'), right: true },
        { title: 'REPLICAS', cell: cell('replicas'), right: true },
        { title: 'UNDER-REPLICATED', cell: cell('underReplicated'), right: true },
        { title: 'RESTARTS', cell: cell('restarts'), right: true },
      ],
      brokers,
    ),
  ];
}

const firstOf = (list: unknown): string | null =>
  Array.isArray(list) && typeof list[0] === 'string' ? list[0] : null;

function duration(seconds: number): string {
  const units = [
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'min'],
  ] as const;
  for (const [size, unit] of units) {
    if (seconds >= 2 * size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${Math.floor(seconds)} s`;
}
