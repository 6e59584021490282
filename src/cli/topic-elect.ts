/** `weir topic elect`: gives partitions their preferred leaders back, or any leader at all. */
import { bootstrapOption, timeoutOption, usageError } from './arguments.ts';
import { withBrokers } from './broker-client.ts';
import { type Command, ExitCode } from './command.ts';
import { topicNames, topicOption } from './topic-name.ts';

export const electCommand: Command = {
  name: 'elect',
  summary: 'Elect the preferred leaders of partitions, or any where none is in sync.',
  usage: 'topic elect [NAME…] [options]',
  examples: ['weir topic elect', 'weir topic elect orders --unclean'],
  options: [
    bootstrapOption,
    timeoutOption,
    topicOption,
    {
      name: 'unclean',
      doc: 'Partitions without a leader take any replica that is there: records may be lost.',
    },
  ],
  words: [0, Infinity],
  run: (args) => {
    const names = topicNames(args);
    const unclean = args.has('unclean');
    if (unclean && names.length === 0) {
      throw usageError('--unclean may lose records: name the topics');
    }
    return withBrokers(args, async ({ admin, cluster }) => {
      const topics = names.length === 0 ? null : await admin.describeTopics(names);
      const partitions =
        topics?.flatMap(({ name: topic, partitions: list }) =>
          list.map(({ index: partition }) => ({ topic, partition })),
        ) ?? null;
      const results = await cluster.electLeaders(unclean ? 'unclean' : 'preferred', partitions);
      let failures = 0;
      for (const { name, error } of results) {
        if (error === null) await args.terminal.out(`elected a leader of ${name}\n`);
        else {
          failures += 1;
          args.terminal.err(`weir: ${error.message}\n`);
        }
      }
      if (results.length === 0) await args.terminal.out('every leader is as it should be\n');
      return failures === 0 ? ExitCode.OK : ExitCode.FAILURE;
    });
  },
};
