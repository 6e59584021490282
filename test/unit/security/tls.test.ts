import { X509Certificate } from 'node:crypto';
import fs from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { FatalError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { nodeDisk } from '../../../src/base/node-disk.ts';
import { distinguishedName } from '../../../src/security/distinguished-name.ts';
import { ReloadingTls } from '../../../src/security/reloading-tls.ts';
import { loadTls } from '../../../src/security/tls-material.ts';
import { tlsSettings } from '../../../src/security/tls-settings.ts';
import { Authority } from '../../support/certificates.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const authority = new Authority();
const server = authority.issue({ subject: [['CN', 'server']] });
afterAll(() => authority.remove());

const load = (given: Record<string, unknown>) =>
  loadTls(
    tlsSettings((name) => given[name]),
    (path) => nodeDisk.readFile(path),
  );

describe('a certificate', () => {
  it("has Java's name: the last attribute first, special characters escaped, other types as numbers", () => {
    const { certificate } = authority.issue({
      subject: [
        ['C', 'DE'],
        ['O', 'Weir, Inc. + "Co"'],
        ['OU', ' two  '],
        ['E', 'a@b.example'],
        ['CN', '#täst=\\'],
      ],
    });
    expect(distinguishedName(new X509Certificate(certificate).raw)).toBe(
      'CN=\\#täst\\=\\\\,1.2.840.113549.1.9.1=#130b6140622e6578616d706c65,OU=\\ two\\ \\ ,O=Weir\\, Inc. \\+ \\"Co\\",C=DE',
    );
  });
  it('that is cut short has none', () => {
    const { raw } = new X509Certificate(server.certificate);
    for (let length = 0; length < raw.length; length += 7) {
      expect(() => distinguishedName(raw.subarray(0, length))).toThrow();
    }
  });
});

describe('a keystore', () => {
  it('is read from PEM texts, also on one line', async () => {
    const { certificate } = await load({
      'ssl.keystore.key': server.key.replaceAll('\n', ' '),
      'ssl.keystore.certificate.chain': server.certificate.replaceAll('\n', '\\n'),
    });
    expect(certificate).toMatchObject({ subject: 'CN=server' });
    expect(certificate!.expiresAtMs).toBeGreaterThan(Date.now());
  });
  it('is read from one PEM file', async () => {
    const location = authority.file('server.pem', server.key + server.certificate);
    expect((await load({ 'ssl.keystore.location': location })).certificate).not.toBeNull();
  });
  it.each([
    [{ 'ssl.keystore.key': 'k' }, /certificate.chain: missing/],
    [{ 'ssl.keystore.certificate.chain': 'c' }, /ssl.keystore.key: missing/],
    [{ 'ssl.keystore.location': '/nowhere.pem' }, /there is no file \/nowhere.pem/],
    [{ 'ssl.keystore.location': '/dev/null', 'ssl.keystore.type': 'PEM' }, /expected PEM/],
    [{ 'ssl.keystore.location': '/dev/null' }, /can't be used/],
    [{ 'ssl.truststore.certificates': 'x' }, /no certificate in PEM/],
    [{ 'ssl.truststore.location': '/dev/null' }, /PKCS#12/],
    [{ 'ssl.enabled.protocols': ['TLSv1.1'] }, /expected TLSv1.2 or TLSv1.3/],
  ])('is refused with a reason: %j', async (given, reason) => {
    await expect(load(given)).rejects.toThrow(FatalError);
    await expect(load(given)).rejects.toThrow(reason);
  });
  it("in Java's old format is refused with the way out", async () => {
    const location = authority.file('old.jks', Buffer.from('feedfeed00000002', 'hex'));
    await expect(load({ 'ssl.keystore.location': location })).rejects.toThrow(
      /keytool -importkeystore/,
    );
  });
  it('never shows its secrets', async () => {
    const key = server.key.slice(0, 200);
    const given = { 'ssl.keystore.key': key, 'ssl.keystore.certificate.chain': server.certificate };
    const error: Error = await load(given).then(
      () => new Error('it was taken'),
      (seen: Error) => seen,
    );
    expect(error.message).not.toContain(key.slice(100, 160));
  });
});

describe('keys that are followed', () => {
  const settingsOf = (location: string) =>
    tlsSettings((name) => (name === 'ssl.keystore.location' ? location : null));
  /** A file with the key and certificate of that name, of that time. */
  const fileOf = (name: string, seconds = 1): string => {
    const { key, certificate } = authority.issue({ subject: [['CN', name]] });
    const location = authority.file(`${name}.pem`, key + certificate);
    fs.utimesSync(location, seconds, seconds);
    return location;
  };
  async function follow(location: string) {
    const clock = new ManualClock();
    const read = { hook: (_path: string): void => {} };
    const disk = {
      modifiedAt: (path: string) => nodeDisk.modifiedAt(path),
      readFile: (path: string) => {
        read.hook(path);
        return nodeDisk.readFile(path);
      },
    };
    const logger = silentLogger;
    const tls = await ReloadingTls.load(settingsOf(location), {
      disk,
      clock,
      logger,
      name: 'TEST',
    });
    /** At the next look at the files, and once as many loads are over. */
    const looked = async (loads: number): Promise<void> => {
      clock.advance(5_000);
      await expect.poll(() => tls.reloads.done + tls.reloads.failed).toBe(loads);
    };
    return { tls, read, looked, subject: () => tls.certificate!.subject };
  }

  it('are loaded anew when their file changes, and stay when the new one is of no use', async () => {
    const location = fileOf('followed', 1);
    const { tls, looked, subject } = await follow(location);
    const change = async (content: string, at: number): Promise<void> => {
      fs.writeFileSync(location, content);
      fs.utimesSync(location, at + 1, at + 1);
      await looked(at);
    };
    const first = tls.context();
    const second = authority.issue({ subject: [['CN', 'second']] });
    await change(second.key + second.certificate, 1);
    expect(subject()).toBe('CN=second');
    expect(tls.context()).not.toBe(first);
    await change('-----BEGIN nothing', 2);
    expect(tls.reloads).toEqual({ done: 1, failed: 1 });
    expect(subject()).toBe('CN=second');
    await change(server.key + server.certificate, 3);
    expect(subject()).toBe('CN=server');
    tls.stop();
  });

  it('are taken when they come after the settings that name them', async () => {
    const { tls, looked, subject } = await follow(fileOf('early'));
    const late = fileOf('late');
    fs.rmSync(late);
    await tls.update(settingsOf(late));
    expect([subject(), tls.reloads]).toEqual(['CN=early', { done: 0, failed: 1 }]);
    fileOf('late');
    await looked(2);
    expect([subject(), tls.reloads]).toEqual(['CN=late', { done: 1, failed: 1 }]);
    tls.stop();
  });

  it('are those of the last settings, though those before are still being read', async () => {
    const { tls, read, subject } = await follow(fileOf('first'));
    const [second, third] = [fileOf('second'), fileOf('third')];
    const after: Promise<void>[] = [];
    read.hook = (path) => {
      if (path === second) after.push(tls.update(settingsOf(third)));
    };
    await tls.update(settingsOf(second));
    await Promise.all(after);
    expect([subject(), tls.settings.keystore.location]).toEqual(['CN=third', third]);
    tls.stop();
  });
});
