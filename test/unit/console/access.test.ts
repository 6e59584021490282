import type { IncomingHttpHeaders } from 'node:http';
import { describe, expect, it } from 'vitest';
import { Access } from '../../../src/console/access.ts';

const refused = (access: Access, path: string, headers: IncomingHttpHeaders, peer = '127.0.0.1') =>
  access.refusal('GET', path, headers, peer)?.code ?? null;

describe('a console without a token', () => {
  const access = new Access(null);

  it.each([
    'localhost:8080',
    'LOCALHOST',
    '127.0.0.1:8080',
    '[::1]:8080',
    '10.1.2.3',
    'weir:8080',
    undefined,
  ])('answers who asks for %s', (host) => {
    expect(refused(access, '/api/v1/status', { host })).toBeNull();
    expect(refused(access, '/metrics', { host }, '::1')).toBeNull();
  });

  it.each(['evil.example:8080', 'localhost.evil.example', '127.0.0.1.evil.example'])(
    'answers no page whose site calls itself %s and has this address',
    (host) => {
      for (const path of ['/api/v1/status', '/metrics', '/ingest']) {
        expect(refused(access, path, { host }), path).toBe('foreign-host');
      }
      // They tell nothing.
      expect(refused(access, '/healthz', { host })).toBeNull();
    },
  );

  it('is open to other machines, under whatever name, where it listens for them', () => {
    expect(
      refused(access, '/api/v1/status', { host: 'weir.internal:8080' }, '10.1.2.3'),
    ).toBeNull();
  });
});

describe('a console with a token', () => {
  const access = new Access('secret');
  const authorization = 'Bearer secret';

  it('takes the token under any name', () => {
    const host = 'logs.example';
    expect(refused(access, '/api/v1/status', { host, authorization })).toBeNull();
    expect(refused(access, '/api/v1/status', { host })).toBe('no-token');
  });

  it('tells numbers on this machine, and to no page that only has its address', () => {
    expect(refused(access, '/metrics', { host: '127.0.0.1:8080' })).toBeNull();
    expect(refused(access, '/metrics', { host: 'evil.example' })).toBe('no-token');
    expect(refused(access, '/metrics', { host: '127.0.0.1:8080' }, '10.1.2.3')).toBe('no-token');
  });
});
