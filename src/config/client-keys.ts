/** Settings of a Kafka client's security, by Kafka's names (and librdkafka's for name and password). */
import type { Key } from './table.ts';

const text = <N extends string>(name: N, doc: string) => ({
  name,
  type: 'string' as const,
  default: null as string | null,
  doc,
});
const secret = <N extends string>(name: N, doc: string) => ({
  name,
  type: 'password' as const,
  default: null as string | null,
  doc,
});

export const clientKeys = [
  text('security.protocol', 'PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL; PLAINTEXT when absent.'),
  text('sasl.mechanism', 'PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER.'),
  text('sasl.username', 'User for PLAIN and SCRAM.'),
  secret('sasl.password', 'Its password.'),
  secret('sasl.jaas.config', "Both as Kafka's own clients have them, instead."),
  text(
    'sasl.oauthbearer.token.endpoint.url',
    'For OAUTHBEARER: URL of the token endpoint, or file: with a token.',
  ),
  text('sasl.oauthbearer.client.credentials.client.id', 'Client id for the token endpoint.'),
  secret('sasl.oauthbearer.client.credentials.client.secret', 'Its secret.'),
  text('sasl.oauthbearer.scope', 'Scope to ask for there.'),
  text(
    'ssl.truststore.location',
    "File with the certificates that sign the brokers': PEM or PKCS12.",
  ),
  secret('ssl.truststore.password', 'Password of a PKCS12 truststore.'),
  secret('ssl.truststore.certificates', 'The same certificates as PEM text, instead of a file.'),
  text('ssl.keystore.location', 'File with own key and certificate, for brokers that ask for one.'),
  secret('ssl.keystore.password', 'Password of a PKCS12 keystore.'),
  secret('ssl.keystore.key', 'The key as PEM text, instead of a file.'),
  secret('ssl.keystore.certificate.chain', 'The certificate as PEM text, beside that.'),
  secret('ssl.key.password', 'Password of the key, when it is encrypted.'),
  text(
    'ssl.endpoint.identification.algorithm',
    "https, or none: whether a broker's certificate must name its host; https when absent.",
  ),
] as const satisfies readonly Key[];
