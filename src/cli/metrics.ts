/** `weir metrics`: the numbers of a running appliance. */
import { jsonOption } from './arguments.ts';
import { type Command, ExitCode } from './command.ts';
import { askConsole, consoleOptions } from './console-client.ts';
import { tableText } from './table.ts';

export const metricsCommand: Command = {
  name: 'metrics',
  summary: 'Show the metrics of a running appliance.',
  usage: 'metrics [TEXT] [--url URL] [--raw] [--json]',
  examples: ['weir metrics', 'weir metrics consumergroup_lag', 'weir metrics --raw'],
  options: [
    ...consoleOptions,
    { name: 'raw', doc: 'The Prometheus text, as it is served.' },
    jsonOption,
  ],
  words: [0, 1],
  async run(args) {
    const text = await askConsole(args, '/metrics');
    const wanted = args.words[0] ?? '';
    if (args.has('raw')) {
      const lines = text.split('\n').filter((line) => line !== '' && line.includes(wanted));
      if (lines.length > 0) await args.terminal.out(`${lines.join('\n')}\n`);
      return lines.length === 0 ? ExitCode.FAILURE : ExitCode.OK;
    }
    const { parseExposition } = await import('../observe/merge-exposition.ts');
    const samples = parseExposition(text).filter(({ name }) => name.includes(wanted));
    if (args.has('json')) {
      await args.terminal.out(`${JSON.stringify(samples, null, 2)}\n`);
    } else {
      await args.terminal.out(
        tableText(
          [
            { title: 'METRIC', cell: ({ name, labels }) => `${name}${labelText(labels)}` },
            { title: 'VALUE', cell: ({ value }) => value, right: true },
          ],
          samples,
        ),
      );
    }
    return samples.length === 0 ? ExitCode.FAILURE : ExitCode.OK;
  },
};

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}
