/** Changes of users' passwords, each user's whole or not at all, in Kafka's words. */
import { ErrorCode } from '../../protocol/error-codes.ts';
import type { Credential } from '../user-credentials.ts';
import type { Draft } from './draft.ts';

export interface UserAlteration {
  readonly name: string;
  /** Kafka's number. */
  readonly mechanism: number;
  readonly isKnown: boolean;
  /** Null: it is taken away. */
  readonly credential: Credential | null;
  /** There is nothing that the password could be checked with. */
  readonly isEmpty: boolean;
}

export interface UserOutcome {
  readonly user: string;
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

export interface IterationBounds {
  readonly min: number;
  readonly max: number;
}

export function alterUsers(
  draft: Draft,
  alterations: readonly UserAlteration[],
  bounds: IterationBounds,
): UserOutcome[] {
  const wanted = new Map<string, UserAlteration>();
  const refused = new Map<string, UserOutcome>();
  for (const alteration of alterations) {
    const { name } = alteration;
    if (refused.has(name)) continue;
    if (wanted.delete(name)) {
      const message = 'A user credential cannot be altered twice in the same request';
      refused.set(name, refusal(name, ErrorCode.DUPLICATE_RESOURCE, message));
      continue;
    }
    const outcome = fault(alteration, draft, bounds);
    if (outcome === null) wanted.set(name, alteration);
    else refused.set(name, outcome);
  }
  const outcomes: UserOutcome[] = [];
  for (const { name, mechanism, credential } of wanted.values()) {
    const key = { name, mechanism };
    if (credential === null) draft.add({ type: 'RemoveUserScramCredential', value: key });
    else draft.add({ type: 'UserScramCredential', value: { ...key, ...credential } });
    outcomes.push({ user: name, errorCode: ErrorCode.NONE, errorMessage: null });
  }
  return [...outcomes, ...refused.values()];
}

/** Null: it may be. */
function fault(
  { name, mechanism, isKnown, credential, isEmpty }: UserAlteration,
  draft: Draft,
  { min, max }: IterationBounds,
): UserOutcome | null {
  const unacceptable = (message: string): UserOutcome =>
    refusal(name, ErrorCode.UNACCEPTABLE_CREDENTIAL, message);
  if (name === '') return unacceptable('Username must not be empty');
  if (!isKnown) {
    return refusal(name, ErrorCode.UNSUPPORTED_SASL_MECHANISM, 'Unknown SCRAM mechanism');
  }
  if (credential === null) {
    if (draft.image.users.credential(name, mechanism) !== undefined) return null;
    const message = 'Attempt to delete a user credential that does not exist';
    return refusal(name, ErrorCode.RESOURCE_NOT_FOUND, message);
  }
  if (credential.iterations < min) return unacceptable('Too few iterations');
  if (credential.iterations > max) return unacceptable('Too many iterations');
  return isEmpty ? unacceptable('The salted password must not be empty') : null;
}

const refusal = (user: string, errorCode: number, errorMessage: string): UserOutcome => ({
  user,
  errorCode,
  errorMessage,
});
