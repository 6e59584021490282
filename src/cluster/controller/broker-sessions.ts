/**
 * Of which brokers the active controller has heard, and until when it trusts in that. By monotonic
 * time; nothing of it is stored: a controller that has just become active gives every broker a whole
 * session before it fences one.
 */

/** Of the controller's own broker, which needs no connection. */
export const OWN_CONNECTION = -1;

export interface SessionTimes {
  /** `broker.session.timeout.ms` */
  readonly timeoutMs: number;
  /** `broker.session.disconnect.grace.ms` */
  readonly graceMs: number;
}

interface Session {
  readonly epoch: number;
  /** By which the last heartbeat came; -2: none has come yet. */
  connectionId: number;
  deadlineMs: number;
  /** Its connection is gone. */
  isLost: boolean;
  metadataOffset: number;
}

const NO_CONNECTION = -2;

export class BrokerSessions {
  readonly #times: SessionTimes;
  readonly #sessions = new Map<number, Session>();

  constructor(times: SessionTimes) {
    this.#times = times;
  }

  /** The broker is taken to be there, although nothing was heard of it yet. */
  assume(brokerId: number, epoch: number, nowMs: number): void {
    this.#sessions.set(brokerId, {
      epoch,
      connectionId: NO_CONNECTION,
      deadlineMs: nowMs + this.#times.timeoutMs,
      isLost: false,
      metadataOffset: -1,
    });
  }

  /**
   * A heartbeat of that epoch has come; ids of connections grow. One by an earlier connection than the
   * last was under way for longer, as when its packets did not get through for a while: it is no news,
   * and that its connection ends then says nothing of the broker.
   */
  touch(
    brokerId: number,
    epoch: number,
    connectionId: number,
    metadataOffset: number,
    nowMs: number,
  ): void {
    const last = this.#sessions.get(brokerId);
    if (last?.epoch === epoch && last.connectionId > connectionId) return;
    this.#sessions.set(brokerId, {
      epoch,
      connectionId,
      deadlineMs: nowMs + this.#times.timeoutMs,
      isLost: false,
      metadataOffset,
    });
  }

  /** The connection of its last heartbeat is gone: unless another comes soon, so is the broker. */
  disconnected(brokerId: number, connectionId: number, nowMs: number): void {
    const session = this.#sessions.get(brokerId);
    if (session === undefined || session.connectionId !== connectionId) return;
    session.isLost = true;
    session.deadlineMs = Math.min(session.deadlineMs, nowMs + this.#times.graceMs);
  }

  /** The broker cannot be reached, and no heartbeat has come that says otherwise. */
  unreachable(brokerId: number, nowMs: number): void {
    this.disconnected(brokerId, NO_CONNECTION, nowMs);
  }

  remove(brokerId: number): void {
    this.#sessions.delete(brokerId);
  }

  /** Whether that life of the broker was heard of, and is not in doubt. */
  isAlive(brokerId: number, epoch: number, nowMs: number): boolean {
    const session = this.#sessions.get(brokerId);
    return (
      session !== undefined &&
      session.epoch === epoch &&
      session.connectionId !== NO_CONNECTION &&
      !session.isLost &&
      session.deadlineMs > nowMs
    );
  }

  metadataOffset(brokerId: number): number {
    return this.#sessions.get(brokerId)?.metadataOffset ?? -1;
  }

  expired(nowMs: number): { readonly brokerId: number; readonly epoch: number }[] {
    return [...this.#sessions]
      .filter(([, { deadlineMs }]) => deadlineMs <= nowMs)
      .map(([brokerId, { epoch }]) => ({ brokerId, epoch }));
  }

  /** When the next session ends; Infinity: there is none. */
  get nextDeadlineMs(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { deadlineMs } of this.#sessions.values()) next = Math.min(next, deadlineMs);
    return next;
  }

  /** This program has not run for a while, and what came meanwhile is not handled yet. */
  extendAll(nowMs: number): void {
    for (const session of this.#sessions.values()) {
      if (session.isLost) continue;
      session.deadlineMs = Math.max(session.deadlineMs, nowMs + this.#times.timeoutMs);
    }
  }
}
