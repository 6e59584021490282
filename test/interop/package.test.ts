/** The tarball that `npm pack` makes, installed into an empty application, as users get it. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWithPeers } from '../peers/gate.ts';
import { root, WeirProcess } from '../support/weir-process.ts';

const TIMEOUT_MS = 300_000;

function run(command: string, args: readonly string[], cwd: string, env = process.env): string {
  const result = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  if (result.status === 0) return result.stdout;
  throw new Error(
    `${command} ${args.join(' ')}: ${result.status}\n${result.stdout}${result.stderr}`,
  );
}

const APPLICATION = `
import winston from 'winston';
import { WeirTransport } from 'weir/winston';

const transport = new WeirTransport({ url: process.argv[2] });
const logger = winston.createLogger({ transports: [transport] });
for (let n = 0; n < 100; n++) logger.info('line ' + n + ' of node ' + process.versions.node);
transport.on('finish', () => console.log(JSON.stringify(transport.stats())));
logger.end();
`;

describeWithPeers(['npm'], 'the package', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-package-'));
  const application = path.join(folder, 'application');
  let weir: WeirProcess;

  beforeAll(async () => {
    fs.mkdirSync(application);
    fs.writeFileSync(path.join(application, 'main.mjs'), APPLICATION);
    fs.writeFileSync(path.join(application, 'package.json'), '{ "private": true }');
    const packed = JSON.parse(
      run('npm', ['pack', '--json', '--pack-destination', folder], root),
    ) as {
      filename: string;
    }[];
    const tarball = path.join(folder, packed[0]!.filename);
    // Of two majors, without an installer: the registry has Node as packages.
    for (const major of [20, 26]) {
      const home = path.join(folder, `node${major}`);
      fs.mkdirSync(home);
      fs.writeFileSync(path.join(home, 'package.json'), '{ "private": true }');
      const platform = process.platform === 'win32' ? 'win' : process.platform;
      const name = `node-${platform}-${process.arch}@${major}`;
      run('npm', ['install', '--no-audit', '--no-fund', name], home);
    }
    run('npm', ['install', '--no-audit', '--no-fund', tarball, 'winston'], application);
    weir = await WeirProcess.start({
      settings: ['collectors.files.enabled=false', 'collectors.syslog.enabled=false'],
    });
  }, TIMEOUT_MS);

  afterAll(async () => {
    await weir?.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  for (const major of [20, 26]) {
    test(
      `an application logs through the transport under Node ${major}`,
      () => {
        const bin = path.join(folder, `node${major}`, 'node_modules', '.bin');
        const node = path.join(bin, 'node');
        const stats = JSON.parse(run(node, ['main.mjs', weir.url], application)) as {
          delivered: number;
        };
        expect(stats.delivered).toBe(100);
        // The `weir` command of the package, started by that Node too, reads them back.
        const env = { ...process.env, PATH: `${bin}:${process.env['PATH']}` };
        const out = run(
          node,
          [
            'node_modules/weir/src/weir.mjs',
            'consume',
            'logs',
            '--from-beginning',
            ...['--timeout-ms', '5000', '--bootstrap-server', weir.bootstrap],
          ],
          application,
          env,
        );
        const lines = out.split('\n').filter((l) => l.includes(`of node ${major}.`));
        expect(lines).toHaveLength(100);
      },
      TIMEOUT_MS,
    );
  }
});
