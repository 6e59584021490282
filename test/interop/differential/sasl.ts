/**
 * How a client says who it is: SaslHandshake and SaslAuthenticate in any order, on a listener that
 * asks for it; and the users whom SCRAM knows.
 *
 * A conversation has a connection of its own. What comes after its end is asked all the same: both
 * sides must have closed.
 */
import { pbkdf2Sync } from 'node:crypto';
import { type Mechanism, scramLogin } from '../../support/scram-login.ts';
import type { Loose, WireClient } from '../../unit/broker/fixture.ts';
import type { Side } from './side.ts';

/** `sasl.server.max.receive.size` of both. */
export const RECEIVE_BYTES_MAX = 65_536;
/** Users of PLAIN and, once `users` has run, of SCRAM. */
export const PLAIN_USERS = 'user_alice="alice secret" user_bob="bob secret"';
const CAROL = 'carol secret';

type Step = readonly [api: string, version: number, body: Loose];

const token = (...parts: readonly string[]): Buffer => Buffer.from(parts.join('\0'));
const alice = token('', 'alice', 'alice secret');

const versions = (version = 3): Step => [
  'ApiVersions',
  version,
  version < 3 ? {} : { clientSoftwareName: 'test', clientSoftwareVersion: '1' },
];
const chooses = (mechanism = 'PLAIN', version = 1): Step => [
  'SaslHandshake',
  version,
  { mechanism },
];
const proves = (authBytes: Buffer = alice, version = 2): Step => [
  'SaslAuthenticate',
  version,
  { authBytes },
];
const asks: Step = ['ListGroups', 4, { statesFilter: [] }];
/** Versions are compared elsewhere; Kafka has its mechanisms in a hash table. */
function described(answer: any): unknown {
  if (answer?.apiKeys !== undefined) return { errorCode: answer.errorCode };
  if (answer?.mechanisms === undefined) return answer;
  return { ...answer, mechanisms: answer.mechanisms.toSorted() };
}

const conversations: Readonly<Record<string, readonly Step[]>> = {
  ...Object.fromEntries(
    [0, 1, 2, 3, 4].map((v) => [
      `versions v${v}`,
      [versions(v), chooses(), proves(alice, Math.min(v, 2)), asks, asks],
    ]),
  ),
  'no versions': [chooses(), proves(), asks],
  'versions twice': [versions(), versions(), chooses()],
  'versions late': [chooses(), versions(), proves()],
  'versions in between': [versions(), chooses(), versions(0), proves()],
  'choice twice': [versions(), chooses(), chooses(), proves()],
  'choice of another': [chooses('PLAIN'), chooses('SCRAM-SHA-256'), proves()],
  'unknown mechanism': [chooses('GSSAPI'), chooses(), proves()],
  'unknown mechanism v0': [chooses('GSSAPI', 0), chooses(), proves()],
  'no mechanism': [chooses(''), proves()],
  'mechanism in small letters': [chooses('plain'), proves()],
  'long mechanism': [chooses('x'.repeat(3_000)), proves()],
  'proof first': [proves(), chooses()],
  'proof after versions': [versions(), proves()],
  'groups first': [asks, chooses()],
  'groups after versions': [versions(), asks],
  'groups after choice': [versions(), chooses(), asks, proves()],
  'produce first': [['Produce', 9, { acks: 0, timeoutMs: 1_000, topicData: [] }], chooses()],
  'metadata after choice': [chooses(), ['Metadata', 12, { topics: [] }], proves()],
  'proof again': [chooses(), proves(), proves(), asks],
  'choice again': [chooses(), proves(), chooses(), asks],
  'unknown choice again': [chooses(), proves(), chooses('GSSAPI'), asks],
  'versions again': [versions(), chooses(), proves(), versions(), versions(0), asks],
};

const badTokens: readonly (readonly [string, Buffer])[] = [
  ['empty', Buffer.alloc(0)],
  ['wrong password', token('', 'alice', 'wrong')],
  ['unknown user', token('', 'nobody', 'alice secret')],
  ['no user', token('', '', 'alice secret')],
  ['no password', token('', 'alice', '')],
  ['two parts', token('alice', 'alice secret')],
  ['four parts', token('', 'alice', 'alice secret', 'x')],
  ['no parts', Buffer.from('alice')],
  ['for itself', token('alice', 'alice', 'alice secret')],
  ['for another', token('bob', 'alice', 'alice secret')],
  ['no UTF-8', Buffer.from([0, 0xff, 0xfe, 0, 0xff])],
  ['as long as may be', Buffer.alloc(RECEIVE_BYTES_MAX - 64, 'a')],
];

const scramFirst: readonly string[] = [
  '',
  'n',
  'n,,',
  'n,,n=carol',
  'n,,r=abc',
  'n,,n=carol,r=',
  'n,,n=,r=abc',
  'n,,n=ca=rol,r=abc',
  'n,,n=carol,r=a,bc',
  'n,,n=carol,r=a bc',
  'n,a=carol,n=carol,r=abc',
  'n,a=bob,n=carol,r=abc',
  'y,,n=carol,r=abc',
  'p=tls-unique,,n=carol,r=abc',
  'n,,m=x,n=carol,r=abc',
  'n,,n=carol,r=abc,x=1',
  'n,,r=abc,n=carol',
];

/** What becomes of the last message when it is changed so. */
const scramLast: Readonly<Record<string, (right: string) => string>> = {
  right: (text) => text,
  'wrong proof': (text) => text.replace(/p=.{4}/, 'p=AAAA'),
  'short proof': (text) => text.replace(/p=.*/, 'p=AAAA'),
  'no proof': (text) => text.replace(/,p=.*/, ''),
  'no base64': (text) => text.replace(/p=.*/, 'p=?'),
  'another nonce': (text) => text.replace(',r=', ',r=x'),
  'another binding': (text) => text.replace('biws', 'eSws'),
  empty: () => '',
};

type Line = readonly [what: string, answer: unknown];

const ask = async (side: Side, [api, version, body]: Step, client: WireClient): Promise<unknown> =>
  described(await side.quietly(api, version, body, client));

/** All at once, since failures are held back on both sides; kept in order. */
async function keepAll(side: Side, conversing: readonly Promise<readonly Line[]>[]): Promise<void> {
  for (const lines of await Promise.all(conversing)) {
    for (const [what, answer] of lines) side.keep(what, answer);
  }
}

/** On a connection of its own. */
async function alone(
  side: Side,
  talk: (client: WireClient) => Promise<readonly Line[]>,
): Promise<readonly Line[]> {
  const client = await side.newClient();
  try {
    return await talk(client);
  } finally {
    await client.close();
  }
}

const converse = (side: Side, title: string, steps: readonly Step[]): Promise<readonly Line[]> =>
  alone(side, async (client) => {
    const lines: Line[] = [];
    for (const [i, step] of steps.entries()) {
      const what = `${step[0]} v${step[1]}, ${title}, ${i}`;
      lines.push([what, await ask(side, step, client)]);
    }
    return lines;
  });

/** A frame by hand, and whether there is an answer to it, and one behind it. */
const raw = (
  side: Side,
  what: string,
  before: readonly Step[],
  frame: Buffer,
): Promise<readonly Line[]> =>
  alone(side, async (client) => {
    for (const step of before) await ask(side, step, client);
    const answer = client.nextFrame();
    client.write(frame);
    const seen = await answer;
    const then = await ask(side, asks, client);
    return [
      [what, seen === null ? null : { bytes: seen.length }],
      [`${what}, then`, then],
    ];
  });

const framed = (bytes: Buffer, size = bytes.length): Buffer => {
  const head = Buffer.alloc(4);
  head.writeInt32BE(size);
  return Buffer.concat([head, bytes]);
};

/** A request of one version that claims to be of another, and what goes on behind it. */
const claims = (
  side: Side,
  [api, version, body]: Step,
  claimed: number,
): Promise<readonly Line[]> =>
  alone(side, async (client) => {
    const frame = client.encode(api, version, body);
    frame.writeInt16BE(claimed, 6);
    const answer = client.nextFrame();
    client.write(frame);
    const seen = await answer;
    const what = `${api} v${version} as v${claimed}`;
    // The error stands first, behind the number of the request.
    const lines: Line[] = [[what, seen === null ? null : { errorCode: seen.readInt16BE(4) }]];
    for (const step of [versions(0), chooses(), proves()]) {
      lines.push([`${what}, then ${step[0]}`, await ask(side, step, client)]);
    }
    return lines;
  });

export async function exchanges(side: Side): Promise<void> {
  const all = Object.entries(conversations).map(([title, steps]) => converse(side, title, steps));
  for (const [what, bytes] of badTokens) {
    for (const version of [0, 1, 2]) {
      all.push(converse(side, `token ${what}`, [chooses(), proves(bytes, version), asks]));
    }
  }
  await keepAll(side, all);
}

export async function frames(side: Side): Promise<void> {
  const bare = [chooses('PLAIN', 0)];
  const request = await alone(side, (client) => {
    const [api, version, body] = proves();
    return Promise.resolve([['', client.encode(api, version, body)]]);
  });
  const all = [
    raw(side, 'a bare token', bare, framed(alice)),
    raw(side, 'a bare token that is wrong', bare, framed(token('', 'alice', 'wrong'))),
    raw(side, 'an empty token', bare, framed(Buffer.alloc(0))),
    raw(side, 'a request in place of a bare token', bare, request[0]![1] as Buffer),
    raw(side, 'a bare token without a choice', [], framed(alice)),
    raw(side, 'a bare token after v1', [chooses()], framed(alice)),
    claims(side, chooses(), 2),
    claims(side, chooses(), -1),
    claims(side, proves(), 3),
    claims(side, versions(0), 99),
    claims(side, versions(0), -1),
    claims(side, ['Metadata', 12, { topics: [] }], 99),
  ];
  for (const before of [[], [versions()], [chooses()], bare]) {
    const after = before.map(([api, version]) => `${api} v${version}`).join();
    for (const size of [-1, 0, 1, RECEIVE_BYTES_MAX + 1, 0x7fff_ffff]) {
      const frame = framed(Buffer.alloc(size === 0 ? 0 : 1), size);
      all.push(raw(side, `a frame of ${size} bytes after '${after}'`, before, frame));
    }
  }
  await keepAll(side, all);
  for (const [api, version, body] of [versions(), chooses(), proves()]) {
    const cut = (frame: Buffer): Buffer => framed(frame.subarray(4, -2));
    const longer = (frame: Buffer): Buffer =>
      framed(Buffer.concat([frame.subarray(4), Buffer.from('xx')]));
    await side.askBroken(api, version, body, cut, 'cut, first of all');
    await side.askBroken(api, version, body, longer, 'too long, first of all');
  }
}

/** `users` has made carol. */
export async function scram(side: Side): Promise<void> {
  const all: Promise<readonly Line[]>[] = [];
  for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const) {
    for (const first of scramFirst) all.push(begins(side, mechanism, first));
    for (const [what, change] of Object.entries(scramLast)) {
      all.push(ends(side, mechanism, what, change));
    }
  }
  await keepAll(side, all);
}

const begins = (side: Side, mechanism: Mechanism, first: string): Promise<readonly Line[]> =>
  alone(side, async (client) => {
    await ask(side, chooses(mechanism), client);
    const answer = (await ask(side, proves(Buffer.from(first)), client)) as Loose | null;
    // The nonce and the salt are the broker's.
    const isTaken = answer?.['errorCode'] === 0;
    return [[`${mechanism} first '${first}'`, isTaken ? 'taken' : answer]];
  });

const ends = (
  side: Side,
  mechanism: Mechanism,
  what: string,
  change: (right: string) => string,
): Promise<readonly Line[]> =>
  alone(side, async (client) => {
    await ask(side, chooses(mechanism), client);
    const login = scramLogin(mechanism, 'carol', CAROL);
    const { authBytes } = (await ask(side, proves(login.first), client)) as { authBytes: Buffer };
    const { token: right, signature } = login.final(authBytes);
    const last = Buffer.from(change(right.toString()));
    const answer = (await ask(side, proves(last), client)) as { authBytes: Buffer } | null;
    const isSigned = answer?.authBytes.toString() === signature;
    return [
      [`${mechanism} last ${what}`, isSigned ? { ...answer, authBytes: 'signed' } : answer],
      [`${mechanism} last ${what}, again`, await ask(side, proves(), client)],
      [`${mechanism} last ${what}, then`, await ask(side, asks, client)],
    ];
  });

const upsertion = (name: string, more: Loose = {}): Loose => ({
  ...{ name, mechanism: 1, iterations: 4_096, salt: Buffer.from('salt') },
  ...{ saltedPassword: Buffer.alloc(32, 7), ...more },
});
const deletion = (name: string, mechanism = 1): Loose => ({ name, mechanism });

const oddUpsertions: readonly Loose[] = [
  ...[0, -1, 1, 4_095, 16_384, 16_385, 2 ** 31 - 1, -(2 ** 31)].map((iterations) => ({
    iterations,
  })),
  ...[0, -1, 2, 3, 127, -128].map((mechanism) => ({ mechanism })),
  { salt: Buffer.alloc(0) },
  { salt: Buffer.alloc(10_000, 's') },
  { saltedPassword: Buffer.alloc(0) },
  { saltedPassword: Buffer.alloc(1) },
  { saltedPassword: Buffer.alloc(64) },
  { mechanism: 0, iterations: 0 },
  { iterations: 0, saltedPassword: Buffer.alloc(0) },
  { mechanism: 9, saltedPassword: Buffer.alloc(0) },
];

export async function users(side: Side): Promise<void> {
  const alter = (upsertions: readonly Loose[], deletions: readonly Loose[] = [], note = '') =>
    side.ask('AlterUserScramCredentials', 0, { upsertions, deletions }, note);
  const describe = (...names: readonly string[]) =>
    side.ask('DescribeUserScramCredentials', 0, { users: names.map((name) => ({ name })) });
  const settled = (count: number) =>
    side.settle(
      'DescribeUserScramCredentials',
      0,
      { users: null },
      (a) => a.results.reduce((sum: number, r: any) => sum + r.credentialInfos.length, 0) === count,
    );
  await side.ask('DescribeUserScramCredentials', 0, { users: null });
  await alter([]);
  for (const odd of oddUpsertions) {
    await alter([upsertion('odd', odd)], [], JSON.stringify(odd));
  }
  for (const mechanism of [1, 2]) {
    await side.quietly('AlterUserScramCredentials', 0, {
      upsertions: [],
      deletions: [deletion('odd', mechanism)],
    });
  }
  await settled(0);
  await alter([upsertion('')]);
  await alter([upsertion('', { iterations: 1 }), upsertion('dave')]);
  await alter(
    [upsertion('erin'), upsertion('erin', { mechanism: 2 })],
    [],
    'twice, two mechanisms',
  );
  await alter([upsertion('erin'), upsertion('erin')], [], 'twice');
  await alter([upsertion('erin', { iterations: 1 }), upsertion('erin')], [], 'twice, bad first');
  await alter([upsertion('erin'), upsertion('erin', { iterations: 1 })], [], 'twice, bad last');
  await alter([upsertion('erin'), upsertion('erin'), upsertion('erin')], [], 'three times');
  await alter([upsertion('dave')], [deletion('dave')], 'changed and removed');
  await alter([upsertion('frank')], [deletion('frank')], 'made and removed');
  await alter([], [deletion('nobody')]);
  await alter([], [deletion('dave', 2)]);
  await alter([], [deletion('dave', 0), deletion('')]);
  await alter([], [deletion('dave', 77)]);
  await alter([], [deletion('nobody'), deletion('nobody')]);
  await alter([], [deletion('dave'), deletion('dave', 2)]);
  await alter([upsertion('grace'), upsertion('heidi', { iterations: 5 })], [deletion('nobody')]);
  await alter([upsertion('ü,="\u0000 '), upsertion('x'.repeat(300))], [], 'odd names');
  await settled(4);
  await describe();
  await describe('dave');
  await describe('dave', 'grace', 'nobody', '');
  await describe('dave', 'dave', 'grace');
  await describe('nobody', 'nobody');
  await describe('x'.repeat(300), 'ü,="\u0000 ');
  const names = ['dave', 'grace', 'ü,="\u0000 ', 'x'.repeat(300)];
  await alter(
    [],
    names.map((name) => deletion(name)),
    'all',
  );
  await settled(0);
  const salt = Buffer.from('0123456789abcdefghijklmnop');
  await alter(
    [upsertion('carol', { salt, saltedPassword: pbkdf2Sync(CAROL, salt, 4_096, 32, 'sha256') })],
    [],
    'carol',
  );
  await alter(
    [
      upsertion('carol', {
        ...{ salt, mechanism: 2, iterations: 8_192 },
        saltedPassword: pbkdf2Sync(CAROL, salt, 8_192, 64, 'sha512'),
      }),
    ],
    [],
    'carol, too',
  );
  await settled(2);
  await describe('carol');
}
