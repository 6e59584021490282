/**
 * Who may ask what over HTTP: a bearer token when there is one, and no other site's pages. Where being
 * on this machine is enough, the name that was asked for must be this machine's: a page of another
 * site may give that site's name this address, and is the same site to the browser then.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { isLoopback } from '../config/validate.ts';

/** Answered to anybody: they say nothing but whether the process lives; the page itself is empty. */
const open: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/']);

export interface Refusal {
  readonly status: 401 | 403;
  readonly code: string;
  readonly message: string;
}

export class Access {
  readonly #token: Buffer | null;

  /** `token` null: whoever reaches the listener may ask. */
  constructor(token: string | null) {
    this.#token = token === null ? null : digest(token);
  }

  /** Null when the request may pass. */
  refusal(
    method: string,
    path: string,
    headers: IncomingHttpHeaders,
    peer: string,
  ): Refusal | null {
    if (isForeign(method, headers)) {
      const message = 'requests that change something are not taken from pages of other sites';
      return { status: 403, code: 'foreign-origin', message };
    }
    if (open.has(path)) return null;
    const isNear = isLoopback(peer);
    const isTrusted = isNear && isOfThisMachine(headers.host);
    if (this.#token === null) return isTrusted || !isNear ? null : foreignHost(headers.host);
    // The appliance scrapes itself; and numbers without data may be read on this machine.
    if (path === '/metrics' && isTrusted) return null;
    const given = /^Bearer\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1];
    // Digests have one length, and comparing them takes the same time wherever they differ.
    if (given !== undefined && timingSafeEqual(digest(given), this.#token)) return null;
    const message = 'send the token of console.token: `Authorization: Bearer TOKEN`';
    return { status: 401, code: 'no-token', message };
  }
}

/** A browser says with `Origin` which page sends; a page elsewhere must not write into the log. */
function isForeign(method: string, headers: IncomingHttpHeaders): boolean {
  if (method === 'GET' || method === 'HEAD' || headers.origin === undefined) return false;
  try {
    return new URL(headers.origin).host !== headers.host;
  } catch {
    return true;
  }
}

/**
 * By address, or by a name that no site on the internet has: one without a dot is of a network's own.
 * Programs need not send any.
 */
function isOfThisMachine(host: string | undefined): boolean {
  if (host === undefined) return true;
  const name = host
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
  return isIP(name) !== 0 || !name.includes('.') || name.endsWith('.localhost');
}

const foreignHost = (host: string | undefined): Refusal => ({
  status: 403,
  code: 'foreign-host',
  message: `'${host}' may be the name of another site: ask for localhost or an address, or set console.token`,
});

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
