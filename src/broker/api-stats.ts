/**
 * What happened to the requests of one API since the broker started (Kafka: RequestMetrics). Times
 * are milliseconds; a request costs a few increments of numbers and typed arrays.
 */
import { LatencyHistogram } from '../observe/latency.ts';
import type { Api } from '../protocol/apis.ts';

const FOLLOWERS = 'FetchFollower';

export class ApiStats {
  readonly api: Api;
  /** As metrics call it. */
  readonly name: string;
  /** Requests by version. */
  readonly requests: Float64Array;
  /** Answers by their top-level error code; those without one count as 0. */
  readonly errors = new Map<number, number>();
  requestBytes = 0;
  responseBytes = 0;
  /** From the last byte of the request until the answer was handed to the socket. */
  readonly totalTime: LatencyHistogram;
  /** Until it was begun. */
  readonly requestQueueTime: LatencyHistogram;
  /** In the handler. */
  readonly localTime: LatencyHistogram;
  /** Waiting for the device, for records, or for members of a group. */
  readonly remoteTime: LatencyHistogram;
  /** Behind the answers to earlier requests of the connection. */
  readonly responseQueueTime: LatencyHistogram;
  /** Until the system had taken the answer. */
  readonly responseSendTime: LatencyHistogram;
  /** Fetches of other brokers. */
  readonly isOfFollowers: boolean;
  /** Of which these are a part, and which counts what they count. */
  readonly #whole: ApiStats | null;

  constructor(api: Api, part: { readonly of: ApiStats; readonly name: string } | null = null) {
    this.api = api;
    this.name = part?.name ?? api.name;
    this.isOfFollowers = part?.name === FOLLOWERS;
    this.requests = new Float64Array(api.max + 1);
    const whole = part?.of ?? null;
    this.#whole = whole;
    this.totalTime = histogram(whole?.totalTime);
    this.requestQueueTime = histogram(whole?.requestQueueTime);
    this.localTime = histogram(whole?.localTime);
    this.remoteTime = histogram(whole?.remoteTime);
    this.responseQueueTime = histogram(whole?.responseQueueTime);
    this.responseSendTime = histogram(whole?.responseSendTime);
  }

  countRequest(version: number, bytes: number): void {
    this.requests[version]! += 1;
    this.requestBytes += bytes;
    this.#whole?.countRequest(version, bytes);
  }

  countResponse(bytes: number): void {
    this.responseBytes += bytes;
    this.#whole?.countResponse(bytes);
  }

  countError(code: number): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
    this.#whole?.countError(code);
  }
}

/** Kafka tells the fetches of consumers and those of followers apart, besides all of them. */
export class FetchStats extends ApiStats {
  readonly consumers: ApiStats;
  readonly followers: ApiStats;

  constructor(api: Api) {
    super(api);
    this.consumers = new ApiStats(api, { of: this, name: 'FetchConsumer' });
    this.followers = new ApiStats(api, { of: this, name: FOLLOWERS });
  }
}

const histogram = (whole: LatencyHistogram | undefined): LatencyHistogram =>
  whole === undefined ? new LatencyHistogram() : new PartOfHistogram(whole);

class PartOfHistogram extends LatencyHistogram {
  readonly #whole: LatencyHistogram;

  constructor(whole: LatencyHistogram) {
    super();
    this.#whole = whole;
  }

  override record(ms: number): void {
    super.record(ms);
    this.#whole.record(ms);
  }
}
