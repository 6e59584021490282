/** How the appliance's own roles say who they are: to its brokers as these do, to others as told. */
import {
  type ConnectionSecurity,
  clientSecurity,
  type SecuritySeams,
  tlsConnector,
} from '../security/client-security.ts';
import { peerProof, peerSecurity } from '../security/inter-broker.ts';
import { peerTlsFollower } from '../security/peer-tls.ts';

export interface RoleSettings {
  readonly secret: string | null;
  /** The listener by which they reach the brokers of the appliance; null: it has none. */
  readonly interBroker: {
    readonly protocol: string;
    readonly values: Readonly<Record<string, unknown>>;
  } | null;
  /** Every setting by its name, of which those below `engine.kafka.` count. */
  readonly values: Readonly<Record<string, unknown>> & {
    readonly 'engine.kafka.bootstrap': readonly string[];
  };
}

/** Null: connections are plain. Throws FatalError naming the setting that is wrong. */
export function roleSecurity(
  { secret, interBroker, values }: RoleSettings,
  role: string,
  seams: SecuritySeams,
): ConnectionSecurity | null {
  if (values['engine.kafka.bootstrap'].length > 0) {
    return clientSecurity((name) => values[`engine.kafka.${name}`], seams);
  }
  if (interBroker === null) return null;
  const lookup = (name: string): unknown => interBroker.values[name] ?? null;
  const follow = secret === null ? undefined : peerTlsFollower(secret);
  const tls = interBroker.protocol.endsWith('SSL') ? tlsConnector(lookup, seams, follow) : null;
  const proof = peerProof(interBroker.protocol, secret, lookup);
  return peerSecurity(proof, tls, role, seams.random);
}
