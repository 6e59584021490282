/**
 * Requests that the active controller decides, on the broker that is it (Kafka: ControllerApis): those
 * that clients and other brokers send here, and those of this broker to itself.
 */
import { BugError } from '../base/errors.ts';
import type { Asker } from '../cluster/controller-channel.ts';
import type { Api } from '../protocol/apis.ts';
import { BROKER, principalTold } from '../security/principal.ts';
import { type ConnectionInfo, RequestContext } from './handler.ts';
import { handlers } from './handlers/index.ts';
import type { BrokerServices } from './services.ts';

/** Requests of this broker to itself. */
const INSIDE: ConnectionInfo = {
  id: -1,
  remote: 'inside',
  clientHost: 'inside',
  listener: '',
  advertised: { host: '', port: 0 },
  principal: BROKER,
  rights: null,
  sasl: null,
  meters: null,
  softwareName: '',
  softwareVersion: '',
  softwareKey: '',
  onClosed: new Map(),
};

export class ControllerApis {
  readonly #services: () => BrokerServices;

  constructor(services: () => BrokerServices) {
    this.#services = services;
  }

  /** Null: the controller has no say in such requests. */
  handle(
    api: Api,
    version: number,
    body: unknown,
    connection: ConnectionInfo,
    clientId: string,
  ): Promise<unknown> | null {
    const handle = handlers.find((known) => known.api.key === api.key)?.controller ?? null;
    if (handle === null) return null;
    const services = this.#services();
    const now = services.clock.monotonic();
    const context = new RequestContext(
      ...([version, 0, clientId, connection, services, now, api.name] as const),
    );
    return Promise.resolve(handle(body, context));
  }

  /**
   * A request of this broker, or with `asker` of a client that came by way of this broker, which
   * became the controller meanwhile.
   */
  async handleInside(
    api: Api,
    version: number,
    body: unknown,
    asker: Asker | null,
  ): Promise<unknown> {
    const answer = this.handle(api, version, body, insideOf(asker), asker?.clientId ?? '');
    if (answer === null) throw new BugError(`the controller does not decide ${api.name}`);
    return answer;
  }
}

const insideOf = (asker: Asker | null): ConnectionInfo => ({
  ...INSIDE,
  ...(asker !== null && {
    clientHost: asker.clientHost,
    principal: principalTold(asker.principal.type, asker.principal.name),
  }),
});
