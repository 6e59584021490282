/**
 * How a client protects its connections and says who it is, from Kafka's names of settings:
 * `security.protocol`, `ssl.*`, `sasl.*`. Credentials stand in `sasl.jaas.config`, as for Kafka's
 * own clients, or in `sasl.username` and `sasl.password`, as for librdkafka's.
 */
import type { Clock } from '../base/clock.ts';
import type { Disk } from '../base/disk.ts';
import { FatalError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { TlsConnector } from '../base/transport.ts';
import { parseJaas } from './jaas.ts';
import type { FollowTls } from './peer-tls.ts';
import { ReloadingTls } from './reloading-tls.ts';
import { oauthBearerClient, plainClient, scramClient } from './sasl/clients.ts';
import type { SaslClient } from './sasl/sasl-client.ts';
import { scramMechanism } from './sasl/scram.ts';
import { type Lookup, tlsSettings } from './tls-settings.ts';
import { TokenSource } from './token-source.ts';

/** What a connection needs of it. */
export interface ConnectionSecurity {
  /** Null: no TLS. Rejects with FatalError when its keys can't be read. */
  tls(): Promise<TlsConnector> | null;
  /** Begins one exchange; null: nobody is asked who it is. */
  sasl(): SaslClient | null;
}

export interface SecuritySeams {
  readonly disk: Pick<Disk, 'readFile' | 'modifiedAt'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const protocols = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'];

/** Throws FatalError naming the setting that is wrong; null: connections are plain. */
export function clientSecurity(lookup: Lookup, seams: SecuritySeams): ConnectionSecurity | null {
  const text = (name: string): string | null => {
    const value = lookup(name);
    return typeof value === 'string' && value !== '' ? value : null;
  };
  const protocol = (text('security.protocol') ?? 'PLAINTEXT').toUpperCase();
  if (!protocols.includes(protocol)) {
    throw new FatalError(
      `security.protocol: expected one of ${protocols.join(', ')}, saw '${protocol}'`,
    );
  }
  if (protocol === 'PLAINTEXT') return null;
  const sasl = protocol.startsWith('SASL') ? saslClients(text, seams) : () => null;
  if (!protocol.endsWith('SSL')) return { tls: () => null, sasl };
  return { sasl, tls: tlsConnector(lookup, seams) };
}

/** Whether the certificate of a broker must name the host that it is reached by. */
export function verifiesHost(lookup: Lookup): boolean {
  const algorithm = lookup('ssl.endpoint.identification.algorithm');
  return algorithm !== '' && algorithm !== 'none';
}

/**
 * Keys and certificates are read when they are first asked for, and followed from then on; `follow`
 * tells of settings that take the place of those of `lookup`.
 */
export function tlsConnector(
  lookup: Lookup,
  seams: SecuritySeams,
  follow?: FollowTls,
): () => Promise<TlsConnector> {
  let settings = tlsSettings(lookup);
  let loading: Promise<ReloadingTls> | null = null;
  const load = (): Promise<ReloadingTls> => {
    loading ??= ReloadingTls.load(settings, { ...seams, name: 'client' }).catch(
      (error: unknown) => {
        loading = null;
        throw error;
      },
    );
    return loading;
  };
  follow?.((now) => {
    settings = now;
    // One that can't be loaded begins with these the next time.
    loading?.then((tls) => tls.update(now)).catch(() => {});
  });
  return async () => {
    const tls = await load();
    return { verifiesHost: verifiesHost(lookup), context: () => tls.context() };
  };
}

type Text = (name: string) => string | null;

function saslClients(text: Text, { clock, random }: SecuritySeams): () => SaslClient {
  const mechanism = text('sasl.mechanism') ?? text('sasl.mechanisms');
  if (mechanism === null) {
    throw new FatalError(
      'sasl.mechanism: missing; one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER',
    );
  }
  const jaas = text('sasl.jaas.config');
  const options = jaas === null ? null : parseJaas(jaas, 'sasl.jaas.config').options;
  if (mechanism === 'OAUTHBEARER') {
    const url = text('sasl.oauthbearer.token.endpoint.url');
    if (url === null) throw new FatalError('sasl.oauthbearer.token.endpoint.url: missing');
    const credential = (name: string): string | null =>
      text(`sasl.oauthbearer.client.credentials.client.${name}`);
    const tokens = new TokenSource(
      {
        url,
        clientId: credential('id') ?? options?.get('clientId') ?? null,
        clientSecret: credential('secret') ?? options?.get('clientSecret') ?? null,
        scope: text('sasl.oauthbearer.scope') ?? options?.get('scope') ?? null,
      },
      clock,
    );
    return () => oauthBearerClient(() => tokens.token());
  }
  const name = text('sasl.username') ?? options?.get('username');
  const password = text('sasl.password') ?? options?.get('password');
  if (name === undefined || password === undefined) {
    throw new FatalError(
      'sasl.jaas.config: missing, or without username and password (or give sasl.username and sasl.password)',
    );
  }
  if (mechanism === 'PLAIN') return () => plainClient(name, password);
  const scram = scramMechanism(mechanism);
  if (scram === undefined) {
    throw new FatalError(
      `sasl.mechanism: expected one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, saw '${mechanism}'`,
    );
  }
  return () => scramClient(scram, name, password, random);
}
