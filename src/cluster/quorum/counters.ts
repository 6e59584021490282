/** What the quorum counts; metrics copy it when they are asked. */
export class QuorumCounters {
  /** Elections that this broker has begun, and won. */
  elections = 0;
  electionsWon = 0;
  preVotes = 0;
  /** Changes of the leader that this broker has seen. */
  leaderChanges = 0;
  /** Leaderships given up because a majority was not heard of. */
  resignations = 0;
  /** Milliseconds that the last won election took, the longest one, and all of them. */
  electionMs = 0;
  electionMsMax = 0;
  electionMsTotal = 0;
  /** Records appended as the leader, and as a follower. */
  appendRecords = 0;
  fetchRecords = 0;
  fetches = 0;
  fetchFailures = 0;
  truncations = 0;
  /** Steps that this leader has seen committed, and the milliseconds that they took from append on. */
  commits = 0;
  commitMsTotal = 0;
  commitMsMax = 0;
  snapshotsFetched = 0;
  voterChanges = 0;

  committed(ms: number): void {
    this.commits++;
    this.commitMsTotal += ms;
    this.commitMsMax = Math.max(this.commitMsMax, ms);
  }
  elected(ms: number): void {
    this.electionsWon++;
    this.electionMs = ms;
    this.electionMsTotal += ms;
    this.electionMsMax = Math.max(this.electionMsMax, ms);
  }
}
