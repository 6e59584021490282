import { needProgram, runTool, type ToolOptions, type ToolResult } from './peer.ts';

/** Runs `kcat` (librdkafka) with `-b bootstrap` and the given arguments to its end. */
export const kcat = (
  bootstrap: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<ToolResult> => runTool(needProgram('kcat', 'kcat'), ['-b', bootstrap, ...args], options);
