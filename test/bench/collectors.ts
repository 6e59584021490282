/**
 * `collectors`: a socket or a file of 256-byte lines into a compressed log on disk, beside rsyslog
 * doing the same into a gzip'ed file. CPU seconds a million lines, of the whole process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { freePort, needProgram } from '../peers/peer.ts';
import { WeirProcess } from '../support/weir-process.ts';
import { compare, cpuSeconds, type Figures } from './measure.ts';

const LINES = 1_000_000;
const LINE_BYTES = 256;
const LINES_PER_WRITE = 2000;

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Lines `from` and up, each of 256 bytes with its newline. */
function lines(from: number, count: number, prefix: string): Buffer {
  let text = '';
  for (let n = from; n < from + count; n++) {
    const head = `${prefix}level=info path=/api/v1/items/${(n * 7919) % 100_003} status=${n % 7 ? 200 : 404} ms=${(n * 31) % 977} user=${(n * 104_729) % 1_000_003} `;
    text += `${head.padEnd(LINE_BYTES - 1, 'the quick brown fox jumps over the lazy dog ')}\n`;
  }
  return Buffer.from(text);
}

const SYSLOG_PREFIX = '<13>1 2026-01-01T00:00:00.000Z web-1 app 42 - - ';

async function sendTcp(port: number): Promise<void> {
  const socket = net.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  for (let n = 0; n < LINES; n += LINES_PER_WRITE) {
    if (!socket.write(lines(n, LINES_PER_WRITE, SYSLOG_PREFIX))) await once(socket, 'drain');
  }
  socket.end();
  await once(socket, 'close');
}

function writeLines(file: string): void {
  const fd = fs.openSync(file, 'w');
  for (let n = 0; n < LINES; n += LINES_PER_WRITE) fs.writeSync(fd, lines(n, LINES_PER_WRITE, ''));
  fs.closeSync(fd);
}

async function stored(weir: WeirProcess, collector: string): Promise<number> {
  const text = await (await fetch(`${weir.url}/metrics`)).text();
  const sample = new RegExp(
    `^weir_collector_stored_total\\{[^}]*collector="${collector}"[^}]*\\} (\\d+)`,
    'm',
  );
  return Number(sample.exec(text)?.[1] ?? 0);
}

async function weirRound(kind: 'tcp' | 'file'): Promise<Figures> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-bench-lines-'));
  const weir = await WeirProcess.start({
    settings: [
      `collectors.files.paths=${folder}/*.log`,
      `collectors.files.enabled=${kind === 'file'}`,
      'collectors.scrape.enabled=false',
      'collectors.compression=lz4',
      'log.to.topic=false',
    ],
  });
  try {
    if (kind === 'file') writeLines(path.join(folder, 'staged'));
    await pause(1500);
    const before = cpuSeconds(weir.pid);
    const begin = performance.now();
    if (kind === 'tcp') await sendTcp(weir.syslogPort);
    else fs.renameSync(path.join(folder, 'staged'), path.join(folder, 'app.log'));
    while ((await stored(weir, kind === 'tcp' ? 'syslog' : 'files')) < LINES) await pause(200);
    const seconds = (performance.now() - begin) / 1000;
    return figures(cpuSeconds(weir.pid) - before, seconds);
  } finally {
    await weir.stop();
    fs.rmSync(folder, { recursive: true });
  }
}

const figures = (cpu: number, seconds: number): Figures => ({
  'CPU-s per million lines': cpu / (LINES / 1e6),
  'lines/s': LINES / seconds,
});

async function rsyslogRound(kind: 'tcp' | 'file'): Promise<Figures> {
  const program = needProgram('rsyslogd', 'rsyslog');
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'rsyslog-bench-'));
  const [port, input, output] = [await freePort(), `${folder}/app.log`, `${folder}/out.gz`];
  const source =
    kind === 'tcp'
      ? `module(load="imtcp")\ninput(type="imtcp" address="127.0.0.1" port="${port}")\n`
      : `module(load="imfile")\ninput(type="imfile" file="${input}" tag="app:")\n`;
  fs.writeFileSync(
    `${folder}/rsyslog.conf`,
    `global(workDirectory="${folder}")\n${source}main_queue(queue.size="2000000")\n` +
      'template(name="json" type="list" option.jsonf="on") { property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf") property(outname="host" name="hostname" format="jsonf") property(outname="message" name="msg" format="jsonf") }\n' +
      `action(type="omfile" file="${output}" template="json" zipLevel="1" asyncWriting="on" flushOnTXEnd="off" ioBufferSize="256k")\n`,
  );
  if (kind === 'file') writeLines(`${folder}/staged`);
  const child = spawn(program, ['-n', '-f', `${folder}/rsyslog.conf`, '-i', `${folder}/pid`], {
    stdio: 'inherit',
  });
  try {
    await pause(1500);
    const before = cpuSeconds(child.pid!);
    const begin = performance.now();
    if (kind === 'tcp') await sendTcp(port);
    else fs.renameSync(`${folder}/staged`, input);
    await quiet(child);
    const seconds = (performance.now() - begin) / 1000 - QUIET_SECONDS;
    return figures(cpuSeconds(child.pid!) - before, seconds);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
    fs.rmSync(folder, { recursive: true });
  }
}

const QUIET_SECONDS = 2;

/** rsyslog does not tell when it is done: it is, when it has used no CPU for a while. */
async function quiet(child: ChildProcess): Promise<void> {
  for (let used = cpuSeconds(child.pid!); ; ) {
    await pause(QUIET_SECONDS * 1000);
    const now = cpuSeconds(child.pid!);
    if (now - used < 0.03) return;
    used = now;
  }
}

export async function collectors(rounds: number): Promise<void> {
  for (const kind of ['tcp', 'file'] as const) {
    await compare(
      `1,000,000 lines of 256 bytes, ${kind === 'tcp' ? 'syslog over TCP' : 'a file'}`,
      { name: 'Weir (lz4 log)', round: () => weirRound(kind) },
      { name: "rsyslog (gzip'ed file)", round: () => rsyslogRound(kind) },
      rounds,
    );
  }
}
