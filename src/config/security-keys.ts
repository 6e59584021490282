/**
 * Settings of listeners: TLS, SASL, and which of them the brokers use among each other. Each of
 * `listenerKeys` may stand for one listener alone, `listener.name.NAME.KEY` with the name in lower
 * case, and those of SASL for one mechanism of it, `listener.name.NAME.MECHANISM.KEY`.
 */
import { listenerQuotaKeys } from './quota-keys.ts';
import type { Key } from './table.ts';

const SKEW_SECONDS_MAX = 3_600;

const tls: readonly Key[] = [
  {
    name: 'ssl.keystore.type',
    type: 'string',
    default: null,
    values: ['PEM', 'PKCS12', 'JKS'],
    dynamic: 'broker',
    doc: 'Format of the keystore: PEM or PKCS12 (JKS must be converted); whatever the file is, when absent.',
  },
  {
    name: 'ssl.keystore.location',
    type: 'string',
    default: null,
    dynamic: 'broker',
    doc: 'File with the private key and the certificate chain. A change of the file is noticed within seconds; connections that stand go on.',
  },
  {
    name: 'ssl.keystore.password',
    type: 'password',
    default: null,
    dynamic: 'broker',
    doc: 'Password of a PKCS12 keystore.',
  },
  {
    name: 'ssl.keystore.key',
    type: 'password',
    default: null,
    dynamic: 'broker',
    doc: 'The private key as PEM text, instead of a file.',
  },
  {
    name: 'ssl.keystore.certificate.chain',
    type: 'password',
    default: null,
    dynamic: 'broker',
    doc: 'The certificate chain as PEM text, own certificate first, beside ssl.keystore.key.',
  },
  {
    name: 'ssl.key.password',
    type: 'password',
    default: null,
    dynamic: 'broker',
    doc: 'Password of the private key, when it is encrypted.',
  },
  {
    name: 'ssl.truststore.type',
    type: 'string',
    default: null,
    values: ['PEM', 'PKCS12', 'JKS'],
    dynamic: 'broker',
    doc: 'Format of the truststore, as ssl.keystore.type.',
  },
  {
    name: 'ssl.truststore.location',
    type: 'string',
    default: null,
    dynamic: 'broker',
    doc: "File with the certificates of those who sign clients' certificates.",
  },
  {
    name: 'ssl.truststore.password',
    type: 'password',
    default: null,
    dynamic: 'broker',
    doc: 'Password of a PKCS12 truststore.',
  },
  {
    name: 'ssl.truststore.certificates',
    type: 'password',
    default: null,
    dynamic: 'broker',
    doc: 'The same certificates as PEM text, instead of a file.',
  },
  {
    name: 'ssl.client.auth',
    type: 'string',
    default: 'none',
    values: ['none', 'requested', 'required'],
    doc: 'Whether clients show a certificate: none, requested (those without one are User:ANONYMOUS), required.',
  },
  {
    name: 'ssl.enabled.protocols',
    type: 'list',
    default: ['TLSv1.2', 'TLSv1.3'],
    values: ['TLSv1.2', 'TLSv1.3'],
    min: 1,
    doc: 'Versions of TLS that are spoken.',
  },
  {
    name: 'ssl.cipher.suites',
    type: 'list',
    default: [],
    doc: 'Cipher suites by their OpenSSL names; empty: those that are held to be safe.',
  },
  {
    name: 'ssl.principal.mapping.rules',
    type: 'string',
    default: 'DEFAULT',
    doc: 'What user a client certificate makes: RULE:pattern/replacement/[LU] or DEFAULT (its distinguished name), separated by commas; the first that matches.',
  },
  {
    name: 'ssl.endpoint.identification.algorithm',
    type: 'string',
    default: 'https',
    values: ['https', 'none', ''],
    doc: 'https, or none: whether the certificate of another broker must name the host by which it is reached.',
  },
];

/** How brokers know each other; see `security/inter-broker.ts`. */
export const PEER_MECHANISM = 'sasl.mechanism.inter.broker.protocol';

const sasl: readonly Key[] = [
  {
    // Kafka says GSSAPI, which needs a Kerberos that nobody has beside an appliance.
    name: 'sasl.enabled.mechanisms',
    type: 'list',
    default: ['SCRAM-SHA-256', 'SCRAM-SHA-512'],
    values: ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'],
    min: 1,
    doc: 'How clients of SASL listeners may prove who they are.',
  },
  {
    name: 'sasl.jaas.config',
    type: 'password',
    default: null,
    doc: 'For PLAIN: org.apache.kafka.common.security.plain.PlainLoginModule required user_NAME="PASSWORD" …; users of the metadata log (weir user) are known without it.',
  },
  {
    name: 'connections.max.reauth.ms',
    type: 'long',
    default: 0,
    min: 0,
    doc: 'Milliseconds after which a client must prove again who it is (KIP-368); 0: never, unless its token ends.',
  },
  {
    name: 'sasl.oauthbearer.jwks.endpoint.url',
    type: 'string',
    default: null,
    doc: 'URL (https:, http: or file:) of the keys that sign the tokens of OAUTHBEARER.',
  },
  {
    name: 'sasl.oauthbearer.jwks.endpoint.refresh.ms',
    type: 'long',
    default: 3_600_000,
    min: 1_000,
    doc: 'Milliseconds after which these keys are read again.',
  },
  {
    name: 'sasl.oauthbearer.jwks.endpoint.retry.backoff.ms',
    type: 'long',
    default: 100,
    min: 1,
    doc: 'Milliseconds between a failed attempt to read them and the next, doubling.',
  },
  {
    name: 'sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms',
    type: 'long',
    default: 10_000,
    min: 1,
    doc: 'Longest time between two attempts, milliseconds.',
  },
  {
    name: 'sasl.oauthbearer.expected.audience',
    type: 'list',
    default: [],
    doc: 'Audiences (aud) of which a token must name one; empty: it need not name any, so tokens made for other services are taken, too.',
  },
  {
    name: 'sasl.oauthbearer.expected.issuer',
    type: 'string',
    default: null,
    doc: 'Who must have issued a token (iss); anybody whose key is known, when absent.',
  },
  {
    name: 'sasl.oauthbearer.algorithms',
    type: 'list',
    default: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512'],
    values: [
      'RS256',
      'RS384',
      'RS512',
      'PS256',
      'PS384',
      'PS512',
      'ES256',
      'ES384',
      'ES512',
      'EdDSA',
    ],
    min: 1,
    doc: 'Signatures that a token may have. Unsigned ones and those by a shared secret are never taken.',
  },
  {
    name: 'sasl.oauthbearer.clock.skew.seconds',
    type: 'int',
    default: 30,
    min: 0,
    max: SKEW_SECONDS_MAX,
    doc: 'Seconds by which the clocks of the issuer and of this machine may differ.',
  },
  {
    name: 'sasl.oauthbearer.scope.claim.name',
    type: 'string',
    default: 'scope',
    doc: "Claim that holds a token's scopes.",
  },
  {
    name: 'sasl.oauthbearer.sub.claim.name',
    type: 'string',
    default: 'sub',
    doc: "Claim that holds the user's name.",
  },
];

/** How clients and brokers prove who they are, and how it stays between them. */
const protecting: readonly Key[] = [...tls, ...sasl];

/** Those that a listener may have of its own. */
export const listenerKeys: readonly Key[] = [...protecting, ...listenerQuotaKeys];

const byName = new Map(listenerKeys.map((key) => [key.name, key]));
const protectingNames = new Set(protecting.map(({ name }) => name));
const ofMechanism = new Set(sasl.map(({ name }) => name));

const PREFIXED =
  /^listener\.name\.([a-z0-9_-]+)\.(?:(plain|scram-sha-256|scram-sha-512|oauthbearer)\.)?(.+)$/;

/** The key of `listener.name.NAME.[MECHANISM.]KEY`, under that name; undefined: it is none. */
export function listenerKey(name: string): Key | undefined {
  const match = PREFIXED.exec(name);
  const key = byName.get(match?.[3] ?? '');
  if (key === undefined || (match?.[2] !== undefined && !ofMechanism.has(key.name)))
    return undefined;
  return { ...key, name };
}

/** The same without what names a listener. */
export const bareName = (name: string): string => PREFIXED.exec(name)?.[3] ?? name;

/** Whether it says how a listener is protected; else it is a limit, which may be one of them all. */
export const isProtecting = (name: string): boolean => protectingNames.has(bareName(name));

export const securityKeys: readonly Key[] = [
  {
    name: 'inter.broker.listener.name',
    type: 'string',
    default: null,
    doc: 'Name of the listener over which brokers and the roles of the appliance reach each other; the first one when absent.',
  },
  {
    name: 'security.inter.broker.protocol',
    type: 'string',
    default: null,
    values: ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'],
    doc: 'Instead of inter.broker.listener.name: the listener that bears the name of this protocol.',
  },
  {
    // Kafka says GSSAPI.
    name: PEER_MECHANISM,
    type: 'string',
    default: 'WEIR-SECRET',
    values: ['WEIR-SECRET', 'EXTERNAL', 'PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'],
    doc: "How brokers and the roles of the appliance know each other there: by the secret of the data folder (WEIR-SECRET, over any protocol); by username and password of the listener's sasl.jaas.config, the same for all brokers (PLAIN, SCRAM); or by their certificates alone, whose principal must be the broker's own (EXTERNAL, with SSL and ssl.client.auth=required).",
  },
  {
    name: 'sasl.server.max.receive.size',
    type: 'int',
    // Kafka's 512 KiB is for tickets of Kerberos.
    default: 65_536,
    min: 1_024,
    doc: 'Longest request until a client has proved who it is, for the first time or again, in bytes.',
  },
  {
    name: 'connections.authentication.max.ms',
    type: 'duration',
    default: 10_000,
    min: 100,
    doc: 'Milliseconds within which a new connection must have proved who its client is, its TLS handshake included.',
  },
  {
    name: 'connection.failed.authentication.delay.ms',
    type: 'int',
    default: 100,
    min: 0,
    max: 10_000,
    doc: 'Milliseconds that the answer to a failed authentication is held back, against guessing.',
  },
  ...protecting,
];
