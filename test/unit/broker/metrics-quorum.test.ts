import { expect, it } from 'vitest';
import type { Family } from '../../../src/broker/metrics.ts';
import { type MeasuredQuorum, registerQuorumMetrics } from '../../../src/broker/metrics-quorum.ts';
import { QuorumTraffic } from '../../../src/cluster/peers.ts';
import { QuorumCounters } from '../../../src/cluster/quorum/counters.ts';
import { metric } from '../../../src/observe/catalogue.ts';
import { parseExposition } from '../../../src/observe/merge-exposition.ts';
import { MetricsRegistry } from '../../../src/observe/registry.ts';
import { ManualClock } from '../../support/manual-clock.ts';

it('tells of the quorum, with rates and means over the last minute', async () => {
  const clock = new ManualClock();
  const counters = new QuorumCounters();
  const quorum: MeasuredQuorum = {
    state: 'follower',
    leaderId: 2,
    epoch: 7,
    votedFor: null,
    voters: [0, 1, 2],
    highWatermark: 40,
    logEndOffset: 42,
    counters,
  };
  const registry = new MetricsRegistry({ clock });
  const traffic = Object.assign(new QuorumTraffic(), { requests: 9, responses: 8 });
  const family: Family = (name, collect) => registry.family(metric(name), collect);
  registerQuorumMetrics(family, quorum, traffic, clock);
  const scrape = async (): Promise<Record<string, number>> => {
    const samples = parseExposition(await registry.text());
    return Object.fromEntries(
      samples.map(({ name, labels, value }) => [
        [name.replace('kafka_server_raftmetrics_', ''), ...Object.values(labels)].join(' '),
        value,
      ]),
    );
  };
  expect(await scrape()).toMatchObject({
    'current_state follower': 1,
    current_leader: 2,
    current_vote: -1,
    current_epoch: 7,
    high_watermark: 40,
    log_end_offset: 42,
    number_of_voters: 3,
    kafka_server_raftchannelmetrics_request_total: 9,
    kafka_server_raftchannelmetrics_response_total: 8,
    append_records_rate: 0,
    commit_latency_avg: 0,
  });
  counters.appendRecords = 50;
  counters.committed(4);
  counters.committed(8);
  clock.advance(10_000);
  expect(await scrape()).toMatchObject({
    append_records_rate: 5,
    commit_latency_avg: 6,
    commit_latency_max: 8,
  });
  // Two windows later nothing of it is left.
  for (let i = 0; i < 3; i++) {
    clock.advance(30_000);
    await scrape();
  }
  expect(await scrape()).toMatchObject({ append_records_rate: 0, commit_latency_avg: 0 });
});
