/** The client's half of a SASL exchange: one object an exchange. */
export interface SaslClient {
  readonly mechanism: string;
  /** The first token. Rejects with OperatingError when there are no credentials to be had. */
  first(): Buffer | Promise<Buffer>;
  /**
   * The answer to the broker's token; null: there is nothing more to say. Throws OperatingError
   * `not-authenticated` when the broker has not proved that it knows the password.
   */
  next(challenge: Buffer): Buffer | null | Promise<Buffer | null>;
}
