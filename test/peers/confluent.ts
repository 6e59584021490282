import {
  cached,
  mustRun,
  needProgram,
  runTool,
  type ToolOptions,
  type ToolResult,
} from './peer.ts';

/** Brings librdkafka 2.5.3, which pushes its metrics (KIP-714); Debian's is older. */
const PACKAGE = 'confluent-kafka==2.5.3';

/** Runs a Python program that may import `confluent_kafka`. */
export async function confluentKafka(
  program: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<ToolResult> {
  const libraries = await cached(PACKAGE.replace('==', '-'), async (directory) => {
    const pip = needProgram('pip', 'python3-pip');
    const install = ['install', '-q', '--no-deps', '--only-binary=:all:', '--target', directory];
    await mustRun(pip, [...install, PACKAGE], { timeoutMs: 300_000 });
  });
  const python = needProgram('python3', 'python3');
  const environment = { ...process.env, PYTHONPATH: libraries };
  return runTool(python, ['-c', program, ...args], { ...options, env: environment });
}
