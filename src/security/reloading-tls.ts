/**
 * The TLS of one listener or client, which follows its files and settings: what was reloaded holds
 * for the next handshake, and connections that stand go on with what they have. What can't be read
 * is told and changes nothing, until its files change.
 */
import type { SecureContext } from 'node:tls';
import type { Clock, Timer } from '../base/clock.ts';
import type { Disk } from '../base/disk.ts';
import { reasonOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { loadTls, type TlsMaterial } from './tls-material.ts';
import type { TlsSettings } from './tls-settings.ts';

/** How often files are looked at. */
const CHECK_MS = 5_000;

export interface ReloadingTlsOptions {
  readonly disk: Pick<Disk, 'readFile' | 'modifiedAt'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Name of the listener, for the log. */
  readonly name: string;
}

export class ReloadingTls {
  readonly #options: ReloadingTlsOptions;
  /** What it is to go by; differs from `#settings` as long as that can't be read. */
  #wanted: TlsSettings;
  #settings: TlsSettings;
  #material: TlsMaterial;
  #stamp: string;
  #timer: Timer | null = null;
  #stopped = false;
  /** Times that it was loaded anew, and that this failed. */
  readonly reloads = { done: 0, failed: 0 };

  private constructor(
    options: ReloadingTlsOptions,
    settings: TlsSettings,
    material: TlsMaterial,
    stamp: string,
  ) {
    this.#options = options;
    this.#wanted = settings;
    this.#settings = settings;
    this.#material = material;
    this.#stamp = stamp;
    this.#watch();
  }

  /** Rejects with FatalError. */
  static async load(settings: TlsSettings, options: ReloadingTlsOptions): Promise<ReloadingTls> {
    const stamp = stampOf(settings, options.disk);
    const material = await loadTls(settings, (path) => options.disk.readFile(path));
    return new ReloadingTls(options, settings, material, stamp);
  }

  /** Those of what is loaded. */
  get settings(): TlsSettings {
    return this.#settings;
  }
  context(): SecureContext {
    return this.#material.context;
  }
  get certificate(): TlsMaterial['certificate'] {
    return this.#material.certificate;
  }

  /** Takes other settings, and the files as they are now. Never rejects. */
  async update(settings: TlsSettings): Promise<void> {
    this.#wanted = settings;
    const stamp = stampOf(settings, this.#options.disk);
    if (stamp === this.#stamp) return;
    // Remembered also when it fails: the same files are not read again and again.
    this.#stamp = stamp;
    const { disk, logger, name } = this.#options;
    try {
      const material = await loadTls(settings, (path) => disk.readFile(path));
      // Other settings, or files, have come meanwhile.
      if (this.#stamp !== stamp) return;
      this.#material = material;
      this.#settings = settings;
      this.reloads.done += 1;
      logger.info('keys and certificates were loaded anew', {
        'weir.listener': name,
        'tls.server.subject': this.#material.certificate?.subject,
        'tls.server.not_after': dateOf(this.#material),
      });
    } catch (error) {
      this.reloads.failed += 1;
      logger.error('new keys and certificates can not be used, the old ones go on', {
        'weir.listener': name,
        'error.message': reasonOf(error),
      });
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #watch(): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.after(CHECK_MS, () => {
      void this.update(this.#wanted).finally(() => this.#watch());
    });
  }
}

const dateOf = ({ certificate }: TlsMaterial): string | undefined =>
  certificate === null ? undefined : new Date(certificate.expiresAtMs).toISOString();

/** Changes with the settings and with the files. */
function stampOf(settings: TlsSettings, disk: Pick<Disk, 'modifiedAt'>): string {
  const files = [settings.keystore.location, settings.truststore.location].map((path) => {
    if (path === null) return null;
    try {
      return disk.modifiedAt(path);
    } catch {
      return 'absent';
    }
  });
  return JSON.stringify([settings, files]);
}
