/**
 * Who asks, once a connection has told and proved it: Kafka's KafkaPrincipal, a type and a name.
 * Without authentication everybody is `User:ANONYMOUS`. Clients are of the type `User`, whatever
 * they are called; ACLs may name others, which then match nobody.
 */

export const USER = 'User';

export class Principal {
  readonly type: string;
  readonly name: string;
  /** `type:name`, as ACLs, logs and tools write it. */
  readonly text: string;

  constructor(type: string, name: string) {
    this.type = type;
    this.name = name;
    this.text = `${type}:${name}`;
  }

  toString(): string {
    return this.text;
  }
}

export const ANONYMOUS = new Principal(USER, 'ANONYMOUS');

/**
 * A part of the appliance (this broker, another one, a role) that has shown that it is one: it may
 * do everything. It is this object, not its name; no client can become it.
 */
export const BROKER = new Principal('Broker', 'broker');

/** As a broker tells of it that has passed a request on. */
export const principalTold = (type: string, name: string): Principal =>
  type === BROKER.type && name === BROKER.name ? BROKER : new Principal(type, name);

/**
 * Reads `type:name`; the name may hold colons. Null: it is none (Kafka's SecurityUtils refuses what
 * has no colon; both halves may be empty).
 */
export function parsePrincipal(text: string): Principal | null {
  const colon = text.indexOf(':');
  return colon < 0 ? null : new Principal(text.slice(0, colon), text.slice(colon + 1));
}
