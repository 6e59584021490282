/**
 * Makes one valid Prometheus exposition of several threads' texts: each family stands once, with
 * one HELP and one TYPE, its series together, and no series twice (the first one counts; the
 * others are counted as duplicates, because two threads that write one series are a mistake).
 *
 * Threads that write the same series by design, such as brokers, are told apart by labels that are
 * added here: they know nothing of each other, and pay nothing for it.
 */
export interface Exposition {
  readonly text: string;
  /** Put in front of the labels of every series; a series' own label of that name wins. */
  readonly labels: readonly Label[];
}

export type Label = readonly [name: string, value: string];

export interface Merged {
  readonly text: string;
  readonly duplicates: number;
}

interface Family {
  help: string | null;
  type: string | null;
  readonly lines: string[];
}

/** Series of a histogram or summary bear the family's name and one of these. */
const suffixes = ['_bucket', '_sum', '_count'] as const;

export function mergeExpositions(expositions: readonly (string | Exposition)[]): Merged {
  const families = new Map<string, Family>();
  const series = new Set<string>();
  let duplicates = 0;
  const all = expositions.map((given) =>
    typeof given === 'string' ? { text: given, labels: NO_LABELS } : given,
  );
  const added = all.map(({ labels }) => pairsOf(labels).join(','));
  for (const [i, { text, labels }] of all.entries()) {
    const label = labeller(labels);
    // One thread writes no series twice, and labels that no other has keep it apart from the rest.
    const isApart = added.indexOf(added[i]!) === added.lastIndexOf(added[i]!) && added[i] !== '';
    let name = '';
    let lines: string[] = [];
    for (const bare of text.split('\n')) {
      if (bare === '') continue;
      if (bare.startsWith('#')) {
        describe(families, bare);
        name = '';
        continue;
      }
      const { line, hasOwn } = label(bare);
      if (!isApart || hasOwn) {
        const id = line.slice(0, seriesEnd(line));
        if (series.has(id)) {
          duplicates += 1;
          continue;
        }
        series.add(id);
      }
      const own = nameOf(bare);
      if (own !== name) {
        name = own;
        ({ lines } = familyOf(families, name));
      }
      lines.push(line);
    }
  }
  return { text: write(families), duplicates };
}

const NO_LABELS: readonly Label[] = [];

const pairsOf = (labels: readonly Label[]): string[] =>
  labels.map(([name, value]) => `${name}="${escaped(value)}"`);

interface Labelled {
  line: string;
  /** It has one of the labels itself. */
  hasOwn: boolean;
}

/**
 * Adds the labels to a line: two searches and one join of strings, where none stands there yet. The
 * answer is one object, used again for the next line.
 */
function labeller(labels: readonly Label[]): (line: string) => Labelled {
  const answer: Labelled = { line: '', hasOwn: false };
  const add = adder(labels, answer);
  return (line) => {
    answer.hasOwn = false;
    answer.line = add(line);
    return answer;
  };
}

function adder(labels: readonly Label[], answer: Labelled): (line: string) => string {
  if (labels.length === 0) return (line) => line;
  const pairs = pairsOf(labels);
  const all = pairs.join(',');
  const starts = labels.map(([name]) => `${name}="`);
  return (line) => {
    const brace = line.indexOf('{');
    const space = line.indexOf(' ');
    if (brace < 0 || (space >= 0 && space < brace)) {
      const end = space < 0 ? line.length : space;
      return `${line.slice(0, end)}{${all}}${line.slice(end)}`;
    }
    let added = all;
    if (starts.some((start) => line.includes(start, brace))) {
      const own = line.slice(brace, seriesEnd(line));
      const missing = (i: number): boolean =>
        !own.includes(`{${starts[i]!}`) && !own.includes(`,${starts[i]!}`);
      added = pairs.filter((_, i) => missing(i)).join(',');
      answer.hasOwn = added !== all;
    }
    if (added === '') return line;
    const rest = line.slice(brace + 1);
    return `${line.slice(0, brace)}{${added}${rest.startsWith('}') ? '' : ','}${rest}`;
  };
}

const escaped = (value: string): string =>
  value.replaceAll(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`));

function describe(families: Map<string, Family>, line: string): void {
  const match = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line);
  if (match === null) return;
  const [, what, name = '', rest = ''] = match;
  const family = familyNamed(families, name);
  if (what === 'HELP') family.help ??= rest;
  else family.type ??= rest;
}

function familyNamed(families: Map<string, Family>, name: string): Family {
  let family = families.get(name);
  if (family === undefined) {
    family = { help: null, type: null, lines: [] };
    families.set(name, family);
  }
  return family;
}

/** A name of its own wins over being the part of a histogram: Kafka's names have `_count` gauges. */
function familyOf(families: Map<string, Family>, name: string): Family {
  const own = families.get(name);
  if (own !== undefined) return own;
  for (const suffix of suffixes) {
    if (!name.endsWith(suffix)) continue;
    const whole = families.get(name.slice(0, -suffix.length));
    if (whole?.type === 'histogram' || whole?.type === 'summary') return whole;
  }
  return familyNamed(families, name);
}

/** Of a line, or of a series. */
const nameOf = (line: string): string => {
  const space = line.indexOf(' ');
  const series = space < 0 ? line : line.slice(0, space);
  const brace = series.indexOf('{');
  return brace < 0 ? series : series.slice(0, brace);
};

/** Where the series' name and labels end and its value begins; label values may hold any character. */
function seriesEnd(line: string): number {
  const brace = line.indexOf('{');
  const space = line.indexOf(' ');
  if (brace < 0 || (space >= 0 && space < brace)) return space < 0 ? line.length : space;
  let quoted = false;
  for (let i = brace + 1; i < line.length; i++) {
    const character = line[i];
    if (character === '\\') i += 1;
    else if (character === '"') quoted = !quoted;
    else if (character === '}' && !quoted) return i + 1;
  }
  return line.length;
}

function write(families: ReadonlyMap<string, Family>): string {
  const parts: string[] = [];
  for (const [name, { help, type, lines }] of families) {
    if (help !== null) parts.push(`# HELP ${name} ${help}`);
    if (type !== null) parts.push(`# TYPE ${name} ${type}`);
    for (const line of lines) parts.push(line);
  }
  return parts.length === 0 ? '' : `${parts.join('\n')}\n`;
}

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Every series of an exposition; for `weir metrics` and tests, not for hot paths. */
export function parseExposition(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const end = seriesEnd(line);
    const id = line.slice(0, end);
    const labels: Record<string, string> = {};
    const brace = id.indexOf('{');
    if (brace >= 0) {
      for (const [, name, value] of id
        .slice(brace)
        .matchAll(/([A-Za-z_][A-Za-z0-9_]*)="((?:\\.|[^"\\])*)"/g)) {
        labels[name!] = value!.replaceAll(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c));
      }
    }
    const value = numberOf(line.slice(end).trim().split(' ')[0]!);
    samples.push({ name: nameOf(id), labels, value });
  }
  return samples;
}

const numberOf = (text: string): number =>
  text === '+Inf'
    ? Number.POSITIVE_INFINITY
    : text === '-Inf'
      ? Number.NEGATIVE_INFINITY
      : Number(text);
