/** `weir group`: list, describe, reset-offsets, delete. */
import { OperatingError } from '../base/errors.ts';
import type { Admin, GroupDescription } from '../client/admin.ts';
import type { TopicPartition } from '../client/list-offsets.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import {
  type Arguments,
  bootstrapOption,
  jsonOption,
  parseInteger,
  timeoutOption,
  usageError,
} from './arguments.ts';
import { type Command, ExitCode, type Option } from './command.ts';
import { type Column, printRows } from './table.ts';
import { parseDuration, parseTime } from './time.ts';

const groupOption: Option = {
  name: 'group',
  value: 'GROUP',
  doc: 'The group, if not named before.',
};
const common = [bootstrapOption, timeoutOption] as const;

async function withAdmin(args: Arguments, work: (admin: Admin) => Promise<number>) {
  const [{ withAdministrator }, { Admin: Class }] = await Promise.all([
    import('./cluster.ts'),
    import('../client/admin.ts'),
  ]);
  return withAdministrator(args, Class, work);
}

function groupIds(args: Arguments): readonly string[] {
  const named = args.text('group');
  return named === undefined ? args.words : [...args.words, named];
}

function requiredGroups(args: Arguments): readonly string[] {
  const ids = groupIds(args);
  if (ids.length === 0) throw usageError(`which group? usage: weir ${args.command.usage}`);
  return ids;
}

const listCommand: Command = {
  name: 'list',
  summary: 'List the consumer groups.',
  usage: 'group list [options]',
  examples: ['weir group list'],
  options: [...common, jsonOption],
  run: (args) =>
    withAdmin(args, async (admin) => {
      await printRows(
        args,
        [
          { title: 'GROUP', cell: (row) => row.groupId },
          { title: 'STATE', cell: (row) => row.state || null },
          { title: 'TYPE', cell: (row) => row.type || null },
          { title: 'PROTOCOL-TYPE', cell: (row) => row.protocolType || null },
        ],
        await admin.listGroups(),
      );
      return ExitCode.OK;
    }),
};

interface LagRow {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  /** Null: nothing committed. */
  readonly currentOffset: number | null;
  readonly logEndOffset: number | null;
  readonly lag: number | null;
  readonly consumerId: string | null;
  readonly host: string | null;
  readonly clientId: string | null;
}

const lagColumns: readonly Column<LagRow>[] = [
  { title: 'GROUP', cell: (row) => row.group },
  { title: 'TOPIC', cell: (row) => row.topic },
  { title: 'PARTITION', cell: (row) => row.partition, right: true },
  { title: 'CURRENT-OFFSET', cell: (row) => row.currentOffset, right: true },
  { title: 'LOG-END-OFFSET', cell: (row) => row.logEndOffset, right: true },
  { title: 'LAG', cell: (row) => row.lag, right: true },
  { title: 'CONSUMER-ID', cell: (row) => row.consumerId },
  { title: 'HOST', cell: (row) => row.host },
  { title: 'CLIENT-ID', cell: (row) => row.clientId },
];

const describeCommand: Command = {
  name: 'describe',
  summary: "Show a group's members, offsets and lag.",
  usage: 'group describe [GROUP…] [options]',
  examples: ['weir group describe billing', 'weir group describe --all-groups --json'],
  options: [
    ...common,
    groupOption,
    { name: 'all-groups', doc: 'Every group of the cluster.' },
    { name: 'members', doc: 'One line a member instead of a partition.' },
    jsonOption,
  ],
  words: [0, Infinity],
  run: (args) =>
    withAdmin(args, async (admin) => {
      const ids = args.has('all-groups')
        ? (await admin.listGroups()).map((group) => group.groupId)
        : requiredGroups(args);
      const groups = await admin.describeGroups(ids);
      const lags: LagRow[] = [];
      let dead = 0;
      for (const group of groups) {
        const rows = await lagOf(admin, group);
        lags.push(...rows);
        const state = `group ${group.groupId}: ${group.state}, ${group.members.length} members\n`;
        if (group.state === 'Dead' && rows.length === 0) {
          dead++;
          args.terminal.err(`weir: group '${group.groupId}' does not exist\n`);
        } else if (!args.has('json')) args.terminal.err(state);
      }
      if (args.has('members')) await printMembers(args, groups);
      else if (lags.length > 0 || args.has('json')) await printRows(args, lagColumns, lags);
      return dead === 0 ? ExitCode.OK : ExitCode.FAILURE;
    }),
};

const printMembers = (args: Arguments, groups: readonly GroupDescription[]): Promise<void> =>
  printRows(
    args,
    [
      { title: 'GROUP', cell: (row) => row.group },
      { title: 'CONSUMER-ID', cell: (row) => row.consumerId },
      { title: 'GROUP-INSTANCE-ID', cell: (row) => row.groupInstanceId },
      { title: 'HOST', cell: (row) => row.host },
      { title: 'CLIENT-ID', cell: (row) => row.clientId },
      { title: '#PARTITIONS', cell: (row) => row.partitions, right: true },
    ],
    groups.flatMap((group) =>
      group.members.map((member) => ({
        group: group.groupId,
        consumerId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        host: member.host,
        clientId: member.clientId,
        partitions: member.assignment.length,
      })),
    ),
  );

/** One row for each partition that has a committed offset or a member. */
async function lagOf(admin: Admin, group: GroupDescription): Promise<LagRow[]> {
  const rows = new Map<string, { p: TopicPartition; offset: number | null }>();
  for (const { topic, partition, offset } of await admin.groupOffsets(group.groupId)) {
    if (offset >= 0) rows.set(keyOf({ topic, partition }), { p: { topic, partition }, offset });
  }
  const owners = new Map<string, GroupDescription['members'][number]>();
  for (const member of group.members) {
    for (const p of member.assignment) {
      owners.set(keyOf(p), member);
      if (!rows.has(keyOf(p))) rows.set(keyOf(p), { p, offset: null });
    }
  }
  const ends = await endOffsets(
    admin,
    [...rows.values()].map((row) => row.p),
  );
  return [...rows.values()]
    .sort((a, b) => compare(a.p, b.p))
    .map(({ p, offset }) => {
      const end = ends.get(keyOf(p)) ?? null;
      const owner = owners.get(keyOf(p));
      return {
        group: group.groupId,
        topic: p.topic,
        partition: p.partition,
        currentOffset: offset,
        logEndOffset: end,
        // Deleted records may leave the commit beyond the end for a moment; there is no negative lag.
        lag: offset === null || end === null ? null : Math.max(0, end - offset),
        consumerId: owner?.memberId ?? null,
        host: owner?.host ?? null,
        clientId: owner?.clientId ?? null,
      };
    });
}

const keyOf = (p: TopicPartition): string => JSON.stringify([p.topic, p.partition]);

const compare = (a: TopicPartition, b: TopicPartition): number =>
  a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1;

/** Topics that are gone have committed offsets, too, but no end. */
async function endOffsets(
  admin: Admin,
  partitions: readonly TopicPartition[],
): Promise<Map<string, number>> {
  const existing = new Map((await admin.listTopics()).map((topic) => [topic.name, topic]));
  const led = partitions.filter(
    (p) => (existing.get(p.topic)?.partitions[p.partition]?.leader ?? -1) >= 0,
  );
  const listed = await admin.listOffsets(led, 'latest');
  return new Map(listed.map((l) => [keyOf(l), l.offset]));
}

const resetOptions: readonly Option[] = [
  { name: 'to-earliest', doc: 'To the first record that is kept.' },
  { name: 'to-latest', doc: 'Behind the last record.' },
  { name: 'to-current', doc: 'To where it stands (shows it, or makes a missing offset).' },
  {
    name: 'to-datetime',
    value: 'TIME',
    doc: 'To the first record at or after a time (2026-11-22T15:00:00Z).',
  },
  { name: 'by-duration', value: 'TIME', doc: 'To the first record since so long ago (2h, 30m).' },
  { name: 'to-offset', value: 'N', doc: 'To an offset, within what is kept.' },
  { name: 'shift-by', value: 'N', doc: 'By so many records, forward or (negative) back.' },
];

const resetCommand: Command = {
  name: 'reset-offsets',
  summary: "Move a group's committed offsets while it has no members.",
  usage: 'group reset-offsets GROUP [options]',
  examples: [
    'weir group reset-offsets billing --topic orders --to-earliest',
    'weir group reset-offsets billing --all-topics --to-datetime 2026-11-22T15:00:00Z --execute',
    'weir group reset-offsets billing --topic orders:0,1 --shift-by -100 --execute',
  ],
  options: [
    ...common,
    groupOption,
    {
      name: 'topic',
      value: 'TOPIC[:PARTITION,…]',
      repeated: true,
      doc: 'Topics, or some of their partitions.',
    },
    { name: 'all-topics', doc: 'Every topic of which the group has offsets.' },
    ...resetOptions,
    { name: 'dry-run', doc: 'Only show the new offsets (the default).' },
    { name: 'execute', doc: 'Do it.' },
    jsonOption,
  ],
  words: [0, 1],
  run: async (args) => {
    const [groupId] = requiredGroups(args);
    const ways = resetOptions.filter((option) => args.has(option.name));
    if (ways.length !== 1) {
      throw usageError(`give one of ${resetOptions.map((o) => `--${o.name}`).join(', ')}`);
    }
    if (args.has('dry-run') && args.has('execute')) {
      throw usageError('--dry-run and --execute exclude each other');
    }
    const way = ways[0]!.name;
    checkWay(args, way);
    return withAdmin(args, async (admin) => {
      const partitions = await chosenPartitions(args, admin, groupId!);
      const rows = await newOffsets(args, admin, groupId!, partitions, way);
      if (args.has('execute')) await admin.alterGroupOffsets(groupId!, rows);
      await printRows(
        args,
        [
          { title: 'GROUP', cell: (row) => row.group },
          { title: 'TOPIC', cell: (row) => row.topic },
          { title: 'PARTITION', cell: (row) => row.partition, right: true },
          { title: 'NEW-OFFSET', cell: (row) => row.offset, right: true },
        ],
        rows.map((row) => ({ group: groupId!, ...row })),
      );
      if (!args.has('execute')) {
        args.terminal.err('nothing was changed; add --execute to do it\n');
      }
      return ExitCode.OK;
    });
  },
};

const toDatetime = (args: Arguments): number =>
  parseTime(args.required('to-datetime'), '--to-datetime takes');
const byDuration = (args: Arguments): number =>
  Date.now() - parseDuration(args.required('by-duration'), '--by-duration takes');

/** Mistakes are told before the cluster is asked. */
function checkWay(args: Arguments, way: string): void {
  if (way === 'to-datetime') toDatetime(args);
  if (way === 'by-duration') byDuration(args);
  if (way === 'to-offset') args.integer(way, 0);
  if (way === 'shift-by') args.integer(way);
  const scopes = args.list('topic').map(scopeOf);
  if (!args.has('all-topics') && scopes.length === 0) {
    throw usageError('give --topic or --all-topics');
  }
}

async function chosenPartitions(
  args: Arguments,
  admin: Admin,
  groupId: string,
): Promise<TopicPartition[]> {
  if (args.has('all-topics')) {
    const committed = await admin.groupOffsets(groupId);
    if (committed.length === 0) {
      throw new OperatingError(
        'no-offsets',
        `group '${groupId}' has no committed offsets; name topics with --topic`,
      );
    }
    return committed.map(({ topic, partition }) => ({ topic, partition }));
  }
  const scopes = args.list('topic').map(scopeOf);
  const topics = await admin.describeTopics(scopes.map(({ topic }) => topic));
  // What is named twice moves once.
  const chosen = new Map<string, TopicPartition>();
  for (const [i, { topic, partitions }] of scopes.entries()) {
    const last = topics[i]!.partitions.length - 1;
    const what = `--topic ${topic}: a partition`;
    const wanted = partitions?.map((p) => parseInteger(what, p, 0, last));
    for (const partition of wanted ?? topics[i]!.partitions.keys()) {
      chosen.set(keyOf({ topic, partition }), { topic, partition });
    }
  }
  return [...chosen.values()];
}

/** Reads `orders`, or `orders:0,1`; without partitions it is all of them. */
function scopeOf(text: string): { topic: string; partitions: readonly string[] | undefined } {
  const [, topic, partitions] = /^([^:]+)(?::(\d+(?:,\d+)*))?$/.exec(text) ?? [];
  if (topic === undefined) throw usageError(`--topic takes TOPIC[:PARTITION,…]; saw '${text}'`);
  return { topic, partitions: partitions?.split(',') };
}

async function newOffsets(
  args: Arguments,
  admin: Admin,
  groupId: string,
  partitions: readonly TopicPartition[],
  way: string,
): Promise<(TopicPartition & { readonly offset: number })[]> {
  const [first, last] = await Promise.all([
    admin.listOffsets(partitions, 'earliest'),
    admin.listOffsets(partitions, 'latest'),
  ]);
  const bounded = (i: number, offset: number): number =>
    Math.min(Math.max(offset, first[i]!.offset), last[i]!.offset);
  const at = async (time: number): Promise<number[]> => {
    const found = await admin.listOffsets(partitions, time);
    return found.map((f, i) => (f.offset < 0 ? last[i]!.offset : f.offset));
  };
  const current = async (): Promise<number[]> => {
    const committed = await admin.groupOffsets(groupId, partitions);
    return partitions.map((p, i) => {
      const found = committed.find((c) => c.topic === p.topic && c.partition === p.partition);
      return found === undefined || found.offset < 0 ? last[i]!.offset : found.offset;
    });
  };
  const offsets: Readonly<Record<string, () => Promise<number[]> | number[]>> = {
    'to-earliest': () => first.map((f) => f.offset),
    'to-latest': () => last.map((l) => l.offset),
    'to-current': current,
    'to-offset': () => partitions.map((_, i) => bounded(i, args.integer('to-offset', 0)!)),
    'to-datetime': () => at(toDatetime(args)),
    'by-duration': () => at(byDuration(args)),
    'shift-by': async () =>
      (await current()).map((offset, i) => bounded(i, offset + args.integer('shift-by')!)),
  };
  const chosen = await offsets[way]!();
  return partitions.map((p, i) => ({ topic: p.topic, partition: p.partition, offset: chosen[i]! }));
}

const deleteCommand: Command = {
  name: 'delete',
  summary: 'Delete groups without members, and their offsets.',
  usage: 'group delete GROUP… [options]',
  examples: ['weir group delete billing'],
  options: [...common, groupOption],
  words: [0, Infinity],
  run: async (args) => {
    const ids = requiredGroups(args);
    return withAdmin(args, async (admin) => {
      let failures = 0;
      for (const { name, error } of await admin.deleteGroups(ids)) {
        if (error === null) await args.terminal.out(`deleted group ${name}\n`);
        else {
          failures++;
          const isMissing = error.code === ErrorCode.GROUP_ID_NOT_FOUND;
          const why = isMissing ? `group '${name}' does not exist` : error.message;
          args.terminal.err(`weir: ${why}\n`);
        }
      }
      return failures === 0 ? ExitCode.OK : ExitCode.FAILURE;
    });
  },
};

export const groupCommand: Command = {
  name: 'group',
  summary: 'List, describe, reset and delete consumer groups.',
  usage: 'group COMMAND [options]',
  examples: ['weir group describe billing'],
  options: [],
  commands: [listCommand, describeCommand, resetCommand, deleteCommand],
  run: () => Promise.resolve(ExitCode.USAGE),
};
