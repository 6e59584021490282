/**
 * How the clients of one listener are known and what the wire is protected by: TLS, certificates,
 * SASL, all from the listener's settings. What can change while the broker runs (keys and
 * certificates) is taken anew with `reload`; everything else is settled with the start.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import type { Disk } from '../base/disk.ts';
import { FatalError, reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Stream, TlsAcceptor, TlsConnector } from '../base/transport.ts';
import type { Configs } from '../cluster/configs.ts';
import type { MetadataImage } from '../cluster/metadata-image.ts';
import { type ConnectionSecurity, verifiesHost } from '../security/client-security.ts';
import { distinguishedName } from '../security/distinguished-name.ts';
import {
  PEER_MECHANISM,
  type PeerProof,
  peerProof,
  peerSecurity,
} from '../security/inter-broker.ts';
import { parseJaas, plainUsers } from '../security/jaas.ts';
import { ANONYMOUS, BROKER, Principal, USER } from '../security/principal.ts';
import { type PrincipalMapper, principalMapper } from '../security/principal-mapper.ts';
import { readUrl } from '../security/read-url.ts';
import { ReloadingTls } from '../security/reloading-tls.ts';
import { JwksSource } from '../security/sasl/jwks-source.ts';
import { OauthBearerServer, type TokenValidator } from '../security/sasl/oauthbearer-server.ts';
import { Passwords, PlainServer } from '../security/sasl/plain-server.ts';
import type { SaslServer } from '../security/sasl/sasl-server.ts';
import {
  credentialOf,
  ITERATIONS_MIN,
  SALT_CHARACTERS,
  type ScramCredential,
  saltedPassword,
  saltText,
  scramMechanism,
} from '../security/sasl/scram.ts';
import { ScramServer, type ScramUsers } from '../security/sasl/scram-server.ts';
import { SECRET_MECHANISM, SECRET_SCRAM, secretUsers } from '../security/sasl/secret.ts';
import { type TlsSettings, tlsSettings } from '../security/tls-settings.ts';
import { CloseConnection, type ConnectionInfo } from './handler.ts';
import type { ListenerAddress } from './listener-address.ts';
import type { SaslRules } from './sasl-session.ts';
import { storedUsers } from './stored-users.ts';

export interface ListenerSecurityOptions {
  readonly address: ListenerAddress;
  readonly configs: Configs;
  readonly image: MetadataImage;
  /** The listener between brokers is this one. */
  readonly isInternal: boolean;
  /** Of the appliance; null: there is none. */
  readonly secret: string | null;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export class ListenerSecurity {
  readonly name: string;
  readonly tls: ReloadingTls | null;
  readonly acceptor: TlsAcceptor | null;
  /** Null: nobody can say who they are. */
  readonly sasl: SaslRules | null;
  readonly #options: ListenerSecurityOptions;
  readonly #mapper: PrincipalMapper | null;
  readonly #proof: PeerProof | null;

  private constructor(
    options: ListenerSecurityOptions,
    tls: ReloadingTls | null,
    proof: PeerProof | null,
    sasl: SaslRules | null,
  ) {
    const { address, configs } = options;
    this.#options = options;
    this.#proof = proof;
    this.name = address.name;
    this.tls = tls;
    this.sasl = sasl;
    const setting = (key: string): string => String(configs.listener(address.name, key));
    this.acceptor =
      tls === null
        ? null
        : {
            context: () => tls.context(),
            clientAuth: () => setting('ssl.client.auth') as 'none' | 'requested' | 'required',
          };
    const certifies = address.protocol === 'SSL';
    this.#mapper = certifies ? principalMapper(setting('ssl.principal.mapping.rules')) : null;
  }

  /** Rejects with FatalError, which names the listener. */
  static async open(options: ListenerSecurityOptions): Promise<ListenerSecurity> {
    const { address, disk, clock, logger } = options;
    const { name, protocol } = address;
    try {
      const settings = protocol.endsWith('SSL') ? tlsOf(options) : null;
      const tls =
        settings === null ? null : await ReloadingTls.load(settings, { disk, clock, logger, name });
      if (tls !== null && tls.certificate === null) {
        throw new FatalError('ssl.keystore.location: TLS needs a key and a certificate');
      }
      const proof = proofOf(options);
      const listener = new ListenerSecurity(options, tls, proof, await saslRules(options, proof));
      if (proof?.kind === 'certificate') listener.#ownPrincipal();
      return listener;
    } catch (error) {
      if (!(error instanceof FatalError)) throw error;
      throw new FatalError(`listener ${name}: ${reasonOf(error)}`, { cause: error });
    }
  }

  /** After settings have changed. */
  async reload(): Promise<void> {
    await this.tls?.update(tlsOf(this.#options));
  }

  stop(): void {
    this.tls?.stop();
  }

  /** How this broker, called `name`, comes in by the same listener of another one. */
  ofPeer(name: string): ConnectionSecurity | null {
    const { tls } = this;
    const { address, configs, random } = this.#options;
    const connector: TlsConnector | null = tls && {
      context: () => tls.context(),
      verifiesHost: verifiesHost((key) => configs.listener(address.name, key)),
    };
    const connect = connector === null ? null : () => Promise.resolve(connector);
    return peerSecurity(this.#proof, connect, name, random);
  }

  /** Whose certificate it is. Throws CloseConnection when no rule makes a user of it. */
  secured(info: ConnectionInfo, { secured }: Stream): void {
    if (this.#mapper === null) return;
    const certificate = secured?.certificate ?? null;
    if (certificate === null) {
      info.principal = ANONYMOUS;
      return;
    }
    let subject: string;
    try {
      subject = distinguishedName(certificate);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new CloseConnection('certificate-malformed', error.message);
    }
    const name = this.#mapper(subject);
    if (name === null) {
      throw new CloseConnection(
        'certificate-unknown',
        `no rule of ssl.principal.mapping.rules matches '${subject}'`,
      );
    }
    const isPeer = this.#proof?.kind === 'certificate' && name === this.#ownPrincipal();
    info.principal = isPeer ? BROKER : new Principal(USER, name);
  }

  /** What the broker's own certificate makes it. Throws FatalError when that is nobody. */
  #ownPrincipal(): string {
    const { der, subject } = this.tls!.certificate!;
    const name = this.#mapper!(distinguishedName(der));
    if (name === null) {
      throw new FatalError(
        `no rule of ssl.principal.mapping.rules matches the broker's own certificate, of ${subject}`,
      );
    }
    return name;
  }
}

function proofOf(options: ListenerSecurityOptions): PeerProof | null {
  const { address, configs, secret, isInternal } = options;
  if (!isInternal) return null;
  const mechanism = String(configs.broker(PEER_MECHANISM));
  return peerProof(address.protocol, secret, (key) =>
    key === PEER_MECHANISM
      ? mechanism
      : configs.listener(address.name, key, key === 'sasl.jaas.config' ? mechanism : null),
  );
}

const tlsOf = ({ address, configs }: ListenerSecurityOptions): TlsSettings =>
  tlsSettings((key) => configs.listener(address.name, key));

async function saslRules(
  options: ListenerSecurityOptions,
  proof: PeerProof | null,
): Promise<SaslRules | null> {
  const { address, configs } = options;
  const isRequired = address.protocol.startsWith('SASL');
  const secret = proof?.kind === 'secret' ? proof.secret : null;
  if (!isRequired && secret === null) return null;
  const peer = proof?.kind === 'password' ? await PeerLogin.of(proof) : null;
  const makers = new Map<string, () => SaslServer>();
  const setting = (key: string, mechanism: string) =>
    configs.listener(address.name, key, mechanism);
  const enabled = isRequired
    ? (configs.listener(address.name, 'sasl.enabled.mechanisms') as readonly string[])
    : [];
  for (const mechanism of enabled) {
    makers.set(
      mechanism,
      makerOf(
        mechanism,
        options,
        (key) => setting(key, mechanism),
        peer?.mechanism === mechanism ? peer : null,
      ),
    );
  }
  if (secret !== null) makers.set(SECRET_MECHANISM, secretServer(secret, options.random));
  return {
    isRequired,
    mechanisms: enabled,
    server: (mechanism) => makers.get(mechanism)?.() ?? null,
    principalOf: (mechanism, { name }) =>
      mechanism === SECRET_MECHANISM || (mechanism === peer?.mechanism && name === peer.name)
        ? BROKER
        : new Principal(USER, name),
    reauthMs: (mechanism) =>
      mechanism === SECRET_MECHANISM ? 0 : Number(setting('connections.max.reauth.ms', mechanism)),
    failureDelayMs: configs.number('connection.failed.authentication.delay.ms'),
  };
}

type Setting = (key: string) => unknown;

/** The name and password of all brokers, which stand before those of any user of the same name. */
class PeerLogin {
  readonly mechanism: string;
  readonly name: string;
  readonly password: string;
  readonly #credential: ScramCredential | null;

  private constructor(
    proof: Extract<PeerProof, { kind: 'password' }>,
    made: ScramCredential | null,
  ) {
    this.mechanism = proof.mechanism;
    this.name = proof.name;
    this.password = proof.password;
    this.#credential = made;
  }

  static async of(proof: Extract<PeerProof, { kind: 'password' }>): Promise<PeerLogin> {
    const scram = scramMechanism(proof.mechanism);
    if (scram === undefined) return new PeerLogin(proof, null);
    const salt = saltText(randomBytes(SALT_CHARACTERS));
    const salted = await saltedPassword(scram, proof.password, salt, ITERATIONS_MIN);
    return new PeerLogin(proof, credentialOf(scram, salted, salt, ITERATIONS_MIN));
  }

  /** These users and the brokers. */
  among(users: ScramUsers): ScramUsers {
    return {
      find: (mechanism, name) =>
        name === this.name ? (this.#credential ?? undefined) : users.find(mechanism, name),
      get typicalIterations() {
        return users.typicalIterations;
      },
      isEmpty: false,
    };
  }
}

/** Salts of users who do not exist are the same as long as the broker runs. */
const decoyKey = randomBytes(32);

function makerOf(
  mechanism: string,
  options: ListenerSecurityOptions,
  setting: Setting,
  peer: PeerLogin | null,
): () => SaslServer {
  const { image, random } = options;
  const stored = storedUsers(image);
  switch (mechanism) {
    case 'PLAIN': {
      const given = givenUsers(setting('sasl.jaas.config'));
      if (peer !== null) given.set(peer.name, peer.password);
      const passwords = new Passwords(given, stored, decoyKey);
      return () => new PlainServer(passwords);
    }
    case 'OAUTHBEARER': {
      const validate = tokenValidator(options, setting);
      return () => new OauthBearerServer(validate);
    }
    default: {
      const scram = scramMechanism(mechanism);
      if (scram === undefined) {
        throw new FatalError(`sasl.enabled.mechanisms: there is no ${mechanism} here`);
      }
      const users = peer?.among(stored) ?? stored;
      return () => new ScramServer({ mechanism: scram, users, decoyKey, random });
    }
  }
}

function secretServer(secret: string, random: Random): () => SaslServer {
  const users = secretUsers(secret);
  return () => new ScramServer({ mechanism: SECRET_SCRAM, users, decoyKey, random });
}

function givenUsers(jaas: unknown): Map<string, string> {
  if (typeof jaas !== 'string') return new Map();
  return plainUsers(parseJaas(jaas, 'sasl.jaas.config'));
}

function tokenValidator({ clock }: ListenerSecurityOptions, setting: Setting): TokenValidator {
  const prefix = 'sasl.oauthbearer.';
  const text = (key: string): string => String(setting(prefix + key));
  const url = setting(`${prefix}jwks.endpoint.url`);
  if (typeof url !== 'string') {
    throw new FatalError(`${prefix}jwks.endpoint.url: OAUTHBEARER needs the keys of its tokens`);
  }
  const keys = new JwksSource(
    {
      url,
      refreshMs: Number(text('jwks.endpoint.refresh.ms')),
      retryBackoffMs: Number(text('jwks.endpoint.retry.backoff.ms')),
      retryBackoffMaxMs: Number(text('jwks.endpoint.retry.backoff.max.ms')),
    },
    readUrl,
    clock,
  );
  const issuer = setting(`${prefix}expected.issuer`);
  const settings = {
    audience: setting(`${prefix}expected.audience`) as readonly string[],
    issuer: typeof issuer === 'string' ? issuer : null,
    algorithms: setting(`${prefix}algorithms`) as readonly string[],
    clockSkewSeconds: Number(text('clock.skew.seconds')),
    scopeClaim: text('scope.claim.name'),
    subClaim: text('sub.claim.name'),
  };
  // Few have tokens, and the library is large.
  const validator = import('../security/sasl/jwt.ts').then(({ jwtValidator }) =>
    jwtValidator(settings, keys, clock),
  );
  return async (token) => (await validator)(token);
}
