/** What happened to the connections of a broker since it started, as plain numbers. */
export class ConnectionStats {
  open = 0;
  opened = 0;
  closed = 0;
  receivedBytes = 0;
  sentBytes = 0;
  /** Bytes of answers that the system has not taken yet. */
  queuedResponseBytes = 0;
  /** Requests that have begun and are not answered, or wait for their turn. */
  queuedRequests = 0;
  /** Times that a connection was not read from because its answers piled up. */
  backpressurePauses = 0;
  /** Clients that have proved who they are, and that have failed to; the same of those known before. */
  authentications = 0;
  failedAuthentications = 0;
  reauthentications = 0;
  failedReauthentications = 0;
  /** Connections whose session was over and that sent something else than a new authentication. */
  expiredSessions = 0;
  /** Connections that are held back by a quota. */
  throttled = 0;
  /** Connections closed by us, by reason. */
  readonly closedByReason = new Map<string, number>();
  /** Connections that told their client software, by `name version`. */
  readonly software = new Map<string, number>();

  countClose(reason: string): void {
    this.closedByReason.set(reason, (this.closedByReason.get(reason) ?? 0) + 1);
  }
}
