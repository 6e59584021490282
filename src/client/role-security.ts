/** How the appliance's own roles say who they are: to its brokers by its secret, to others as told. */
import {
  type ConnectionSecurity,
  clientSecurity,
  internalSecurity,
  type SecuritySeams,
} from '../security/client-security.ts';

export interface RoleSettings {
  readonly secret: string | null;
  /** Every setting by its name, of which those below `engine.kafka.` count. */
  readonly values: Readonly<Record<string, unknown>> & {
    readonly 'engine.kafka.bootstrap': readonly string[];
  };
}

/** Null: connections are plain. Throws FatalError naming the setting that is wrong. */
export function roleSecurity(
  { secret, values }: RoleSettings,
  role: string,
  seams: SecuritySeams,
): ConnectionSecurity | null {
  if (values['engine.kafka.bootstrap'].length > 0) {
    return clientSecurity((name) => values[`engine.kafka.${name}`], seams);
  }
  return secret === null ? null : internalSecurity(secret, role, seams.random);
}
