/**
 * What happened to the requests of one API since the broker started (Kafka: RequestMetrics). Times
 * are milliseconds; a request costs a few increments of numbers and typed arrays.
 */
import { LatencyHistogram } from '../observe/latency.ts';
import type { Api } from '../protocol/apis.ts';

export class ApiStats {
  readonly api: Api;
  /** Requests by version. */
  readonly requests: Float64Array;
  /** Answers by their top-level error code; those without one count as 0. */
  readonly errors = new Map<number, number>();
  requestBytes = 0;
  responseBytes = 0;
  /** From the last byte of the request until the answer was handed to the socket. */
  readonly totalTime = new LatencyHistogram();
  /** Until it was begun. */
  readonly requestQueueTime = new LatencyHistogram();
  /** In the handler. */
  readonly localTime = new LatencyHistogram();
  /** Waiting for the device, for records, or for members of a group. */
  readonly remoteTime = new LatencyHistogram();
  /** Behind the answers to earlier requests of the connection. */
  readonly responseQueueTime = new LatencyHistogram();
  /** Until the system had taken the answer. */
  readonly responseSendTime = new LatencyHistogram();

  constructor(api: Api) {
    this.api = api;
    this.requests = new Float64Array(api.max + 1);
  }

  countError(code: number): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }
}
