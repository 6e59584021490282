/**
 * The broker's half of a SASL exchange (RFC 4422): tokens in, tokens out, until it knows who the
 * client is, or that it is nobody we let in. One object an exchange; what it holds of passwords is
 * gone with it.
 */
export interface SaslServer {
  /**
   * Takes the client's next token and resolves to the answer. Throws SaslFailure; any other error
   * is a bug.
   */
  evaluate(token: Buffer): Buffer | Promise<Buffer>;
  /** Null until the exchange is complete. */
  readonly authenticated: Authenticated | null;
}

export interface Authenticated {
  /** The authentication id: the user's name. */
  readonly name: string;
  /** When the credential ends, Unix time in milliseconds; null: it does not. */
  readonly expiresAtMs: number | null;
}

/**
 * The client has not proved who it is. `told` is what it is told of the reason; null: only that it
 * has failed, because anything else would say which users there are.
 */
export class SaslFailure extends Error {
  override name = 'SaslFailure';
  readonly told: string | null;

  constructor(message: string, told: string | null = null) {
    super(message);
    this.told = told;
  }
}

/** Tells the reason to the client, too: it says nothing of users. */
export const plainFailure = (message: string): SaslFailure => new SaslFailure(message, message);

export const NOTHING: Buffer = Buffer.alloc(0);
