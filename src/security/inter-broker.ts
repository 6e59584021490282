/**
 * How brokers of a cluster and the appliance's own roles know each other on the listener between
 * them (`inter.broker.listener.name`), by `sasl.mechanism.inter.broker.protocol`:
 *
 * - `WEIR-SECRET`, unless somebody says otherwise: by the secret of the appliance's data folder,
 *   whatever the listener speaks, within TLS where that is TLS.
 * - `PLAIN`, `SCRAM-…`: by a name and a password, those of the listener's `sasl.jaas.config`. All
 *   brokers have the same, which each of them knows from its configuration: so they can vote before
 *   there is any user in the metadata log.
 * - `EXTERNAL` (the name that RFC 4422, appendix A, has for it): by the certificate of TLS alone. Who
 *   has one of the same principal as this broker's own is one of them.
 */
import { FatalError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import type { TlsConnector } from '../base/transport.ts';
import type { ConnectionSecurity } from './client-security.ts';
import { parseJaas } from './jaas.ts';
import { plainClient, scramClient, secretClient } from './sasl/clients.ts';
import type { SaslClient } from './sasl/sasl-client.ts';
import { scramMechanism } from './sasl/scram.ts';
import { SECRET_MECHANISM } from './sasl/secret.ts';
import type { Lookup } from './tls-settings.ts';

export type PeerProof =
  | { readonly kind: 'secret'; readonly secret: string }
  | ({ readonly kind: 'password'; readonly mechanism: string } & Login)
  | { readonly kind: 'certificate' };

interface Login {
  readonly name: string;
  readonly password: string;
}

export const PEER_MECHANISM = 'sasl.mechanism.inter.broker.protocol';
const CERTIFICATE = 'EXTERNAL';

/**
 * Of a listener that speaks `protocol` and has these settings. Null: nobody proves anything, because
 * there is no secret. Throws FatalError naming the setting that does not fit.
 */
export function peerProof(
  protocol: string,
  secret: string | null,
  setting: Lookup,
): PeerProof | null {
  const given = setting(PEER_MECHANISM);
  const mechanism = typeof given === 'string' ? given : SECRET_MECHANISM;
  const refuse = (reason: string): never => {
    throw new FatalError(`${PEER_MECHANISM}: ${mechanism} ${reason}`);
  };
  if (mechanism === SECRET_MECHANISM) return secret === null ? null : { kind: 'secret', secret };
  if (mechanism === CERTIFICATE) {
    if (protocol !== 'SSL' || setting('ssl.client.auth') !== 'required') {
      refuse(`needs a listener of SSL with ssl.client.auth=required, saw ${protocol}`);
    }
    return { kind: 'certificate' };
  }
  if (!protocol.startsWith('SASL')) {
    refuse(`needs a listener of SASL_SSL or SASL_PLAINTEXT, saw ${protocol}`);
  }
  const enabled = setting('sasl.enabled.mechanisms') as readonly string[];
  if (!enabled.includes(mechanism)) refuse('must be one of sasl.enabled.mechanisms');
  const jaas = setting('sasl.jaas.config');
  const options =
    typeof jaas === 'string'
      ? parseJaas(jaas, 'sasl.jaas.config').options
      : new Map<string, string>();
  const name = options.get('username') ?? '';
  const password = options.get('password') ?? '';
  if (name === '' || password === '') refuse('needs username and password in sasl.jaas.config');
  return { kind: 'password', mechanism, name, password };
}

/** How `name` (a broker or a role) comes in by such a listener; null: as anybody does. */
export function peerSecurity(
  proof: PeerProof | null,
  tls: (() => Promise<TlsConnector>) | null,
  name: string,
  random: Random,
): ConnectionSecurity | null {
  if (proof === null && tls === null) return null;
  return { tls: () => tls?.() ?? null, sasl: () => saslOf(proof, name, random) };
}

function saslOf(proof: PeerProof | null, name: string, random: Random): SaslClient | null {
  switch (proof?.kind) {
    case 'secret':
      return secretClient(proof.secret, name, random);
    case 'password': {
      const scram = scramMechanism(proof.mechanism);
      return scram === undefined
        ? plainClient(proof.name, proof.password)
        : scramClient(scram, proof.name, proof.password, random);
    }
    default:
      return null;
  }
}
