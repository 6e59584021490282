/** Java's properties files: `key=value`, comments, and lines that go on behind a backslash. */
export function parseProperties(text: string): Map<string, string> {
  const properties = new Map<string, string>();
  const joined = text
    .replaceAll(/\r\n?/g, '\n')
    .replaceAll(/((?:^|[^\\])(?:\\\\)*)\\\n[ \t]*/g, '$1');
  for (const line of joined.split('\n')) {
    const match = /^[ \t]*((?:\\.|[^\\:= \t])+)[ \t]*[:=]?[ \t]*(.*)$/.exec(line);
    const [, key = '', value = ''] = match ?? [];
    if (key === '' || key.startsWith('#') || key.startsWith('!')) continue;
    properties.set(unescaped(key), unescaped(value.trimEnd()));
  }
  return properties;
}

const controls: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', f: '\f' };

const unescaped = (text: string): string =>
  text.replaceAll(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_, code: string | undefined, one: string) =>
    code === undefined ? (controls[one] ?? one) : String.fromCharCode(Number.parseInt(code, 16)),
  );
