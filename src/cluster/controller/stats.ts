/** What the controller has done since its broker started: plain numbers, read by the metrics. */
export class ControllerStats {
  /** New leaders, by whatever reason. */
  elections = 0;
  /** Of them, such as may lack committed records. */
  uncleanElections = 0;
  /** Brokers that were not heard of in time. */
  sessionsExpired = 0;
  /** Times that this broker became the active controller. */
  activations = 0;
  /** Steps of the metadata log, and records in them. */
  steps = 0;
  records = 0;
  /** Called with the milliseconds that each step with an election took. */
  onElection: (ms: number) => void = () => {};
}
