/**
 * DescribeUserScramCredentials (key 50): which SCRAM mechanisms users have passwords for (KIP-554).
 *
 * Versions: 0 alone, flexible.
 */
import { array, int8, int16, int32, message, string } from '../schema.ts';

const at = { api: 50, min: 0, max: 0, flexible: 0 } as const;

export const describeUserScramCredentialsRequest = message(
  'DescribeUserScramCredentialsRequest',
  at,
  {
    users: array({ name: string }).nullable(), // Null or empty: all.
  },
);

export const describeUserScramCredentialsResponse = message(
  'DescribeUserScramCredentialsResponse',
  at,
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: string.nullable(),
    results: array({
      user: string,
      errorCode: int16,
      errorMessage: string.nullable(),
      credentialInfos: array({
        mechanism: int8, // 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        iterations: int32,
      }),
    }),
  },
);
