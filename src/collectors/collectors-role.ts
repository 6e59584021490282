import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Disk } from '../base/disk.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Role, RoleStatus } from '../base/role.ts';
import type { Transport } from '../base/transport.ts';
import type { MetricsRegistry } from '../observe/registry.ts';
import type { Collector } from './collector.ts';
import { nodeFileSystem } from './files/file-system.ts';
import { FilesCollector } from './files/files-collector.ts';
import { registerCollectorMetrics } from './metrics.ts';
import type { SinkFactory } from './record-sink.ts';
import { httpGet } from './scrape/http-get.ts';
import { ScrapeCollector } from './scrape/scrape-collector.ts';
import type { CollectorSettings } from './settings.ts';
import { SyslogCollector } from './syslog/syslog-collector.ts';

/** The collectors that have a thread of their own: syslog, files, scrape. HTTP is the console's. */
export interface CollectorsRoleOptions {
  readonly settings: CollectorSettings;
  readonly dataDir: string;
  readonly sinks: SinkFactory;
  readonly transport: Transport;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly registry: MetricsRegistry;
  /** Called when everything has stopped. */
  readonly release: () => void;
}

const LIGHTS = ['green', 'yellow', 'red'] as const;

export class CollectorsRole implements Role {
  readonly #options: CollectorsRoleOptions;
  readonly #collectors: readonly Collector[];
  readonly #get: ReturnType<typeof httpGet>;
  #stopped: Promise<void> | null = null;

  constructor(options: CollectorsRoleOptions) {
    this.#options = options;
    this.#get = httpGet(options.clock, options.transport);
    this.#collectors = this.#make();
    registerCollectorMetrics(options.registry, () => this.#collectors);
  }

  #make(): Collector[] {
    const { settings, dataDir, ...seams } = this.#options;
    const { syslog, files, scrape } = settings;
    const made: Collector[] = [];
    if (syslog.enabled) made.push(new SyslogCollector({ settings: syslog, ...seams }));
    if (files.enabled) {
      const stateDir = join(dataDir, 'collectors');
      made.push(
        new FilesCollector({ settings: files, files: nodeFileSystem, stateDir, dataDir, ...seams }),
      );
    }
    if (scrape.enabled)
      made.push(new ScrapeCollector({ settings: scrape, get: this.#get, ...seams }));
    return made;
  }

  async start(): Promise<void> {
    for (const collector of this.#collectors) await collector.start();
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    await Promise.all(this.#collectors.map((collector) => collector.stop()));
    this.#get.close();
    this.#options.release();
  }

  metrics(): Promise<string> {
    return this.#options.registry.text();
  }

  /** The worst light of all, and each one's own status by name. */
  status(): RoleStatus {
    const details: Record<string, RoleStatus> = {};
    const reasons: string[] = [];
    let worst = 0;
    for (const collector of this.#collectors) {
      const status = collector.status();
      details[collector.name] = status;
      worst = Math.max(worst, LIGHTS.indexOf(status.light));
      if (status.reason !== '') reasons.push(`${collector.name}: ${status.reason}`);
    }
    return { light: LIGHTS[worst] ?? 'red', reason: reasons.join('; '), details };
  }
}
