/**
 * AlterUserScramCredentials (key 51): gives users passwords for SCRAM and takes them away (KIP-554).
 *
 * Versions: 0 alone, flexible.
 */
import { array, bytes, int8, int16, int32, message, string } from '../schema.ts';

const at = { api: 51, min: 0, max: 0, flexible: 0 } as const;

export const alterUserScramCredentialsRequest = message('AlterUserScramCredentialsRequest', at, {
  deletions: array({ name: string, mechanism: int8 }),
  upsertions: array({
    name: string,
    mechanism: int8, // 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
    iterations: int32,
    salt: bytes,
    saltedPassword: bytes,
  }),
});

export const alterUserScramCredentialsResponse = message('AlterUserScramCredentialsResponse', at, {
  throttleTimeMs: int32,
  results: array({
    user: string,
    errorCode: int16,
    errorMessage: string.nullable(),
  }),
});
