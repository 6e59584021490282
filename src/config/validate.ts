/** What no single key can know: rules between keys, checked after each of them is good by itself. */
import { isIP } from 'node:net';
import type { BrokerSettings } from './broker-list.ts';
import { brokerItem } from './broker-members.ts';
import type { Effective, Origin } from './load.ts';
import type { KeyValue } from './table.ts';
import type { Problem } from './yaml-file.ts';

type Values = ReadonlyMap<string, Effective>;

/** All broken rules, each with the place of the key that breaks it. */
export function validate(values: Values, brokers: readonly BrokerSettings[]): Problem[] {
  return [
    ...exposed(values),
    ...portsTwice(values, brokers),
    ...engines(values),
    ...constantLabels(values),
  ];
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
    if (usesKafkaHost(values)) check('kafka.host', text(values, 'kafka.host'));
    for (const [key, { value }] of values) {
      if (brokerItem(key)?.key === 'host') check(key, String(value));
      if (key !== 'broker.listeners' && brokerItem(key)?.key !== 'listeners') continue;
      for (const listener of Array.isArray(value) ? (value as readonly string[]) : []) {
        if (knowsItsClients(values, key, listener)) continue;
        const host = /^[A-Z0-9_]+:\/\/(.*):\d+$/i.exec(listener)?.[1]?.replaceAll(/[[\]]/g, '');
        check(key, host === undefined || host === '' ? '0.0.0.0' : host);
      }
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

/**
 * Whether the listener asks its clients who they are. The broker itself looks closer, at the
 * mechanisms for example.
 */
function knowsItsClients(values: Values, key: string, listener: string): boolean {
  const name = /^([^:]+):/.exec(listener)?.[1]?.toUpperCase() ?? '';
  const prefix = key.slice(0, key.lastIndexOf('.') + 1);
  const setting = (setting: string): KeyValue =>
    (values.get(`${prefix}${setting}`) ?? values.get(`broker.${setting}`))?.value ?? null;
  const map = setting('listener.security.protocol.map');
  const pairs = Array.isArray(map) ? (map as readonly string[]) : [];
  const given = pairs.find((pair) => pair.split(':')[0]?.trim().toUpperCase() === name);
  const protocol = given?.split(':')[1]?.trim().toUpperCase() ?? name;
  if (protocol !== 'SSL') return protocol.startsWith('SASL_');
  const own = setting(`listener.name.${name.toLowerCase()}.ssl.client.auth`);
  return (own ?? setting('ssl.client.auth')) === 'required';
}

/** Whether a broker listens where `kafka.host` says. */
function usesKafkaHost(values: Values): boolean {
  if (list(values, 'broker.listeners').length > 0) return false;
  const count = Number(values.get('brokers')?.value ?? 1);
  return Array.from({ length: count }, (_, i) => `brokers[${i}]`).some(
    (item) => !values.has(`${item}.host`) && !values.has(`${item}.listeners`),
  );
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

function portsTwice(values: Values, brokers: readonly BrokerSettings[]): Problem[] {
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
  for (const { id, here, address } of roles.includes('broker') ? brokers : []) {
    const port = Number(address.slice(address.lastIndexOf(':') + 1));
    if (here && port > 0) seen.set(port, brokers.length > 1 ? `broker ${id}` : 'kafka.port');
  }
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

/** Names that Prometheus takes for labels; those with two underscores in front are its own. */
function constantLabels(values: Values): Problem[] {
  const place = placeOf(values.get('metrics.labels')?.origin);
  return list(values, 'metrics.labels')
    .filter((pair) => !/^(?!__)[A-Za-z_][A-Za-z0-9_]*=/.test(pair))
    .map((pair) => ({
      message: `metrics.labels: expected NAME=VALUE, saw ${JSON.stringify(pair)}`,
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
