/** What no single key can know: rules between keys, checked after each of them is good by itself. */
import { isIP } from 'node:net';
import type { Effective, Origin } from './load.ts';
import type { Problem } from './yaml-file.ts';

type Values = ReadonlyMap<string, Effective>;

/** All broken rules, each with the place of the key that breaks it. */
export function validate(values: Values): Problem[] {
  return [...exposed(values), ...portsTwice(values), ...engines(values)];
}

/** Whether only this machine reaches a listener on `host`. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' ||
  host === '::1' ||
  (isIP(host) === 4 && host.startsWith('127.')) ||
  host.toLowerCase().startsWith('::ffff:127.');

/**
 * Listeners beyond this machine that have no authentication; with `insecure: true` they are
 * warned of at each start, without it they are refused.
 */
export function openListeners(values: Values): { readonly key: string; readonly host: string }[] {
  const open: { key: string; host: string }[] = [];
  const roles = list(values, 'roles');
  const check = (key: string, host: string): void => {
    if (!isLoopback(host)) open.push({ key, host });
  };
  if (roles.includes('broker') && list(values, 'engine.kafka.bootstrap').length === 0) {
    const listeners = list(values, 'broker.listeners');
    if (listeners.length === 0) check('kafka.host', text(values, 'kafka.host'));
    for (const listener of listeners) {
      const host = /^[A-Z0-9_]+:\/\/(.*):\d+$/i.exec(listener)?.[1]?.replaceAll(/[[\]]/g, '');
      check('broker.listeners', host === undefined || host === '' ? '0.0.0.0' : host);
    }
  }
  if (roles.includes('console') && values.get('console.token')?.value === null) {
    check('console.host', text(values, 'console.host'));
  }
  if (roles.includes('collectors') && values.get('collectors.syslog.enabled')?.value === true) {
    check('collectors.syslog.host', text(values, 'collectors.syslog.host'));
  }
  return open;
}

function exposed(values: Values): Problem[] {
  if (values.get('insecure')?.value === true) return [];
  return openListeners(values).map(({ key, host }) => {
    const remedy =
      key === 'console.host' ? 'set console.token, or insecure: true' : 'set insecure: true';
    return {
      message: `${key}: ${host} can be reached from other machines without authentication; to allow that, ${remedy}`,
      place: placeOf(values.get(key)?.origin),
    };
  });
}

function portsTwice(values: Values): Problem[] {
  const problems: Problem[] = [];
  const roles = list(values, 'roles');
  const seen = new Map<number, string>();
  const claim = (key: string, role: string): void => {
    const port = values.get(key)?.value;
    if (typeof port !== 'number' || port === 0 || !roles.includes(role)) return;
    const other = seen.get(port);
    if (other === undefined) seen.set(port, key);
    else {
      problems.push({
        message: `${key}: port ${port} is taken by ${other} already`,
        place: placeOf(values.get(key)?.origin),
      });
    }
  };
  if (list(values, 'broker.listeners').length === 0) claim('kafka.port', 'broker');
  claim('console.port', 'console');
  if (values.get('collectors.syslog.enabled')?.value === true) {
    claim('collectors.syslog.port', 'collectors');
  }
  return problems;
}

function engines(values: Values): Problem[] {
  const bootstrap = list(values, 'engine.kafka.bootstrap');
  const place = placeOf(values.get('engine.kafka.bootstrap')?.origin);
  return bootstrap
    .filter((address) => !/^(\[[^\]]+\]|[^:\s]+):\d{1,5}$/.test(address))
    .map((address) => ({
      message: `engine.kafka.bootstrap: expected HOST:PORT, saw ${JSON.stringify(address)}`,
      place,
    }));
}

const text = (values: Values, name: string): string => String(values.get(name)?.value ?? '');

function list(values: Values, name: string): readonly string[] {
  const value = values.get(name)?.value;
  if (Array.isArray(value)) return value;
  return typeof value === 'string' && value !== '' ? value.split(',') : [];
}

const placeOf = (origin: Origin | undefined): Problem['place'] =>
  origin?.source === 'file' ? origin.place : null;
