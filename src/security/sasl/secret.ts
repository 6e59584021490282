/**
 * The mechanism by which the brokers of a cluster and the appliance's own roles prove to each other
 * that they are of the same appliance: SCRAM-SHA-256 with a random secret of its data folder in the
 * password's place. Such a secret can't be guessed, so it isn't stretched, and neither side waits.
 */
import { createHmac } from 'node:crypto';
import { credentialOf, ITERATIONS_MIN, scramMechanisms } from './scram.ts';
import type { ScramUsers } from './scram-server.ts';

export const SECRET_MECHANISM = 'WEIR-SECRET';

export const [SECRET_SCRAM] = scramMechanisms as [(typeof scramMechanisms)[number]];
const SALT = Buffer.from('weir');

/** What SCRAM takes for the salted password. */
export const saltedSecret = (secret: string): Buffer =>
  createHmac('sha256', secret).update('weir internal').digest();

/** Whoever knows the secret is whom it says. */
export function secretUsers(secret: string): ScramUsers {
  const credential = credentialOf(SECRET_SCRAM, saltedSecret(secret), SALT, ITERATIONS_MIN);
  return { find: () => credential, typicalIterations: ITERATIONS_MIN, isEmpty: false };
}
