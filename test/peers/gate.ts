/**
 * Which tests can run here: those that need a peer say so by `describeWithPeers`.
 *
 * Where `CI` is set everything runs, and a peer that can't start is a failure. On a developer's
 * machine a suite whose programs are not installed is skipped, and says which ones it missed.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe } from 'vitest';
import { loopVolumesMissing } from '../support/loop-volume.ts';
import { memoryGroupsMissing } from '../support/memory-group.ts';
import { networksMissing } from '../support/network.ts';
import { fakeTimeMissing } from './fake-time.ts';
import { findJava } from './java.ts';
import { cacheDirectory, findProgram } from './peer.ts';

const program = (name: string, debianPackage: string) => (): string | null =>
  findProgram(name) === null ? `\`${name}\` (Debian package ${debianPackage})` : null;

const maven = (cached: string, javaMajor: number) => (): string | null => {
  const kept =
    fs.existsSync(cacheDirectory) &&
    fs.readdirSync(cacheDirectory).some((name) => name.startsWith(cached));
  if (!kept && findProgram('mvn') === null) return '`mvn` (Debian package maven)';
  try {
    findJava(javaMajor);
    return null;
  } catch {
    return `Java ${javaMajor} or later`;
  }
};

const compiler = (): string | null => {
  try {
    if (fs.existsSync(path.join(findJava(17).home, 'bin', 'javac'))) return null;
  } catch {
    // No Java at all.
  }
  return 'a Java 17 compiler (Debian package openjdk-17-jdk-headless)';
};

/** `loggen` may stand in the cache, taken out of its package. */
const loggen = (): string | null =>
  fs.existsSync(path.join(cacheDirectory, 'loggen')) ? null : program('loggen', 'syslog-ng-core')();

/** In the cache, or to be had from Python's registry. */
const confluent = (): string | null => {
  const kept =
    fs.existsSync(cacheDirectory) &&
    fs.readdirSync(cacheDirectory).some((name) => name.startsWith('confluent-kafka-'));
  return kept ? program('python3', 'python3')() : program('pip', 'python3-pip')();
};

/** The module of rsyslog that writes to Kafka, wherever Debian keeps those. */
const omkafka = (): string | null => {
  const roots = fs.existsSync('/usr/lib') ? fs.readdirSync('/usr/lib') : [];
  const found = roots.some((name) => fs.existsSync(`/usr/lib/${name}/rsyslog/omkafka.so`));
  return found ? program('rsyslogd', 'rsyslog')() : 'omkafka (Debian package rsyslog-kafka)';
};

/** Containers and users' machines often may not. */
const tmpfs = (): string | null => {
  if (process.platform !== 'linux') return 'Linux';
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-mount-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]).status;
  if (mounted === 0) spawnSync('umount', [folder]);
  fs.rmdirSync(folder);
  return mounted === 0 ? null : 'the right to mount a tmpfs';
};

/** What is missing for a peer, or null. */
const missing = {
  kafka: maven('kafka-', 17),
  elasticsearch: maven('elasticsearch-', 21),
  opensearch: maven('opensearch-', 21),
  javac: compiler,
  kcat: program('kcat', 'kcat'),
  confluent,
  rsyslog: program('rsyslogd', 'rsyslog'),
  omkafka,
  loggen,
  logger: program('logger', 'bsdutils'),
  curl: program('curl', 'curl'),
  prometheus: program('prometheus', 'prometheus'),
  alertmanager: program('prometheus-alertmanager', 'prometheus-alertmanager'),
  openssl: program('openssl', 'openssl'),
  npm: program('npm', 'npm'),
  strace: program('strace', 'strace'),
  prlimit: program('prlimit', 'util-linux'),
  faketime: fakeTimeMissing,
  tmpfs,
  loop: loopVolumesMissing,
  network: networksMissing,
  memory: memoryGroupsMissing,
  linux: () => (process.platform === 'linux' ? null : 'Linux'),
} satisfies Record<string, () => string | null>;

export type PeerName = keyof typeof missing;

/** `describe` for a suite that needs these peers. */
export function describeWithPeers(
  peers: readonly PeerName[],
  title: string,
  body: () => void,
): void {
  const reasons = peers.map((peer) => missing[peer]()).filter((reason) => reason !== null);
  if (reasons.length === 0 || process.env['CI'] !== undefined) describe(title, body);
  else describe.skip(`${title} [needs ${reasons.join(' and ')}]`, body);
}
