/**
 * Who was denied what, and who was allowed it, as lines of the log (Kafka's
 * `kafka.authorizer.logger`): denials at INFO; at DEBUG what a principal may do to a resource, as
 * soon as that is decided (and again when ACLs have changed), not at each of its requests.
 *
 * A client that is denied tries again, and the log may itself be sent to a broker that denies it:
 * one and the same denial is told once in `REPEAT_MS`, with how often it came, and all together at
 * most `LINES_MAX` times in `WINDOW_MS`; what is allowed has as many lines of its own. Denials that
 * are not told are counted.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { operationNames, resourceNames } from '../protocol/acl.ts';

const REPEAT_MS = 60_000;
const WINDOW_MS = 10_000;
const LINES_MAX = 100;
/** Denials that are told apart; when there are more, all are forgotten. */
const KEYS_MAX = 1_000;

export interface AuditedResource {
  readonly resourceType: number;
  readonly name: string;
}

export interface AuditedAction extends AuditedResource {
  readonly principal: string;
  readonly host: string;
  /** Kafka's name of the API. */
  readonly api: string;
  readonly operation: number;
}

interface Told {
  atMs: number;
  /** Since then. */
  untold: number;
}

/** Lines of one kind. */
class Lines {
  #windowStartMs = Number.NEGATIVE_INFINITY;
  #count = 0;

  /** Takes one more, unless there are too many. */
  take(now: number): boolean {
    if (now - this.#windowStartMs >= WINDOW_MS) {
      this.#windowStartMs = now;
      this.#count = 0;
    }
    if (this.#count >= LINES_MAX) return false;
    this.#count += 1;
    return true;
  }
}

export class AuditLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #told = new Map<string, Told>();
  readonly #denials = new Lines();
  readonly #decisions = new Lines();
  /** Denials that got no line. */
  untold = 0;

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** `rule` says which rule has decided. */
  denied(action: AuditedAction, rule: () => string): void {
    const now = this.#clock.monotonic();
    const { principal, host, api, operation, resourceType, name } = action;
    const key = `${principal}\n${host}\n${api}\n${operation}\n${resourceType}\n${name}`;
    const told = this.#told.get(key);
    if ((told !== undefined && now - told.atMs < REPEAT_MS) || !this.#denials.take(now)) {
      this.untold += 1;
      if (told !== undefined) told.untold += 1;
      return;
    }
    if (this.#told.size >= KEYS_MAX) this.#told.clear();
    this.#told.set(key, { atMs: now, untold: 0 });
    this.#logger.info('an operation is denied', {
      ...fieldsOf(action),
      'event.outcome': 'failure',
      'weir.acl.rule': rule(),
      'weir.acl.repeated': told?.untold ?? 0,
    });
  }

  /** `operations` has a bit for each that is allowed. */
  decided(principal: string, host: string, resource: AuditedResource, operations: number): void {
    if (operations === 0 || !this.#decisions.take(this.#clock.monotonic())) return;
    this.#logger.debug('operations are allowed', {
      'user.name': principal,
      'client.address': host,
      'event.outcome': 'success',
      'weir.acl.operation': operationNames.filter((_, i) => (operations & (1 << i)) !== 0).join(),
      'weir.acl.resource': `${resourceNames[resource.resourceType]}:${resource.name}`,
    });
  }
}

const fieldsOf = ({ principal, host, api, operation, resourceType, name }: AuditedAction) => ({
  'user.name': principal,
  'client.address': host,
  'kafka.api': api,
  'weir.acl.operation': operationNames[operation],
  'weir.acl.resource': `${resourceNames[resourceType]}:${name}`,
});
