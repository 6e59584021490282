/** What replicas owe each other. */
import {
  byPartition,
  type Checker,
  type CompactedReplica,
  partitionName,
  type Replica,
  type Sample,
  type Violation,
} from './history.ts';

/**
 * A leader's high watermark does not go back within its term, and at rest it is behind everything
 * that a consumer was given.
 */
export const highWatermark: Checker = (history) => {
  const violations: Violation[] = [];
  const last = new Map<string, Sample>();
  for (const sample of history.samples) {
    if (!sample.isLeader) continue;
    const key = `${partitionName(sample)}/${sample.leaderEpoch}/${sample.broker}/${sample.life}`;
    const before = last.get(key);
    if (before !== undefined && before.highWatermark > sample.highWatermark) {
      violations.push({
        checker: 'high watermark',
        message: `${partitionName(sample)} of broker ${sample.broker} went back from ${before.highWatermark} to ${sample.highWatermark} in epoch ${sample.leaderEpoch}`,
      });
    }
    last.set(key, sample);
  }
  if (history.facts.powerWasCut) return violations;
  const polled = new Map<string, number>();
  for (const poll of history.polls) {
    const name = partitionName(poll);
    polled.set(name, Math.max(polled.get(name) ?? -1, poll.offset));
  }
  for (const replica of history.replicas) {
    const highest = polled.get(partitionName(replica)) ?? -1;
    if (!replica.isLeader || replica.highWatermark > highest) continue;
    violations.push({
      checker: 'high watermark',
      message: `${partitionName(replica)} ends at ${replica.highWatermark}, and offset ${highest} was read`,
    });
  }
  return violations;
};

/** At rest the replicas in sync have the same records of the same epochs. */
export const replicasEqual: Checker = (history) => {
  const violations: Violation[] = [];
  for (const [name, replicas] of byPartition(history.replicas)) {
    const inSync = replicas.filter((replica) => replica.inSync);
    const leader = inSync.find((replica) => replica.isLeader) ?? inSync[0];
    for (const replica of inSync) {
      const difference = leader === undefined ? null : differenceOf(leader, replica);
      if (difference === null) continue;
      const message = `${name}: brokers ${leader?.broker} and ${replica.broker}: ${difference}`;
      violations.push({ checker: 'replicas equal', message });
    }
  }
  return violations;
};

function differenceOf(one: Replica, other: Replica): string | null {
  if (one === other) return null;
  if (one.logEndOffset !== other.logEndOffset) {
    return `they end at ${one.logEndOffset} and ${other.logEndOffset}`;
  }
  const start = Math.max(one.logStartOffset, other.logStartOffset);
  const theirs = new Map(other.records.map((record) => [record.offset, record]));
  for (const record of one.records) {
    if (record.offset < start) continue;
    const twin = theirs.get(record.offset);
    if (twin?.value === record.value && twin.epoch === record.epoch) continue;
    return `@${record.offset} is ${record.value} of epoch ${record.epoch}, and ${twin === undefined ? 'nothing' : `${twin.value} of epoch ${twin.epoch}`}`;
  }
  return null;
}

/** In one epoch of a partition one broker leads. */
export const oneLeader: Checker = (history) => {
  const violations: Violation[] = [];
  const leaders = new Map<string, number>();
  for (const sample of history.samples) {
    if (!sample.isLeader) continue;
    const key = `${partitionName(sample)} in epoch ${sample.leaderEpoch}`;
    const other = leaders.get(key);
    if (other === undefined) leaders.set(key, sample.broker);
    else if (other !== sample.broker) {
      leaders.set(key, sample.broker);
      const message = `${key} was led by ${other} and ${sample.broker}`;
      violations.push({ checker: 'one leader', message });
    }
  }
  return violations;
};

/**
 * Epochs go up with the offsets, none is beyond the leader's, and the list of where they begin
 * rises and says the same as the records.
 */
export const epochs: Checker = (history) => {
  const violations: Violation[] = [];
  for (const replica of [...history.replicas, ...history.compacted]) {
    const message = epochFault(replica);
    if (message === null) continue;
    const where = `${partitionName(replica)} of broker ${replica.broker}`;
    violations.push({ checker: 'epochs', message: `${where}: ${message}` });
  }
  return violations;
};

function epochFault(replica: Replica | CompactedReplica): string | null {
  let last = -1;
  for (const { offset, epoch } of replica.records) {
    if (epoch < last) return `@${offset} has epoch ${epoch} behind ${last}`;
    if (epoch > replica.leaderEpoch) return `@${offset} has epoch ${epoch} of the future`;
    last = epoch;
  }
  for (let i = 1; i < replica.epochs.length; i++) {
    const [before, entry] = [replica.epochs[i - 1]!, replica.epochs[i]!];
    if (entry.epoch > before.epoch && entry.startOffset > before.startOffset) continue;
    return `epoch ${entry.epoch} begins at ${entry.startOffset}, ${before.epoch} at ${before.startOffset}`;
  }
  return wrongEntry(replica);
}

function wrongEntry({ epochs, records }: Replica | CompactedReplica): string | null {
  let at = -1;
  for (const { offset, epoch } of records) {
    while (epochs[at + 1] !== undefined && epochs[at + 1]!.startOffset <= offset) at += 1;
    const listed = epochs[at]?.epoch ?? -1;
    if (listed !== epoch) return `@${offset} has epoch ${epoch}, listed is ${listed}`;
  }
  return null;
}

/** Offsets follow each other without a hole in every log. */
export const contiguous: Checker = (history) => {
  const violations: Violation[] = [];
  for (const replica of history.replicas) {
    for (let i = 1; i < replica.records.length; i++) {
      const [before, record] = [replica.records[i - 1]!, replica.records[i]!];
      if (record.offset === before.offset + 1) continue;
      violations.push({
        checker: 'gapless',
        message: `${partitionName(replica)} of broker ${replica.broker} has @${record.offset} right behind @${before.offset}`,
      });
    }
  }
  return violations;
};
