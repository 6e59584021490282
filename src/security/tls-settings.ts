/** Kafka's `ssl.*` settings, of a listener or of a client, in one object. */
export interface TlsSettings {
  readonly keystore: Store & {
    /** PEM texts in place of a file. */
    readonly key: string | null;
    readonly certificateChain: string | null;
    readonly keyPassword: string | null;
  };
  readonly truststore: Store & { readonly certificates: string | null };
  /** `TLSv1.2`, `TLSv1.3`. */
  readonly protocols: readonly string[];
  /** OpenSSL's or IANA's names; empty: those that Node takes for safe. */
  readonly cipherSuites: readonly string[];
}

export interface Store {
  /** `PEM` or `PKCS12`; null: whatever the file is. */
  readonly type: string | null;
  readonly location: string | null;
  readonly password: string | null;
}

/** The value of a setting by Kafka's name of it. */
export type Lookup = (name: string) => unknown;

/** Reads the settings by their names. */
export function tlsSettings(lookup: Lookup): TlsSettings {
  const text = (name: string): string | null => {
    const value = lookup(name);
    return typeof value === 'string' && value !== '' ? value : null;
  };
  const list = (name: string): readonly string[] => {
    const value = lookup(name);
    if (Array.isArray(value)) return value.map(String);
    return typeof value === 'string' && value !== '' ? value.split(',').map((s) => s.trim()) : [];
  };
  return {
    keystore: {
      type: text('ssl.keystore.type'),
      location: text('ssl.keystore.location'),
      password: text('ssl.keystore.password'),
      key: text('ssl.keystore.key'),
      certificateChain: text('ssl.keystore.certificate.chain'),
      keyPassword: text('ssl.key.password'),
    },
    truststore: {
      type: text('ssl.truststore.type'),
      location: text('ssl.truststore.location'),
      password: text('ssl.truststore.password'),
      certificates: text('ssl.truststore.certificates'),
    },
    protocols: list('ssl.enabled.protocols'),
    cipherSuites: list('ssl.cipher.suites'),
  };
}
