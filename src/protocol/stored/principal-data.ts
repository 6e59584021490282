/** On whose behalf a broker passes on a request: in Envelope, versioned (Kafka's DefaultPrincipalData). */
import { bool, message, string } from '../schema.ts';

export const principalData = message(
  'DefaultPrincipalData',
  { api: -1, min: 0, max: 0, flexible: 0 },
  { type: string, name: string, tokenAuthenticated: bool },
);
