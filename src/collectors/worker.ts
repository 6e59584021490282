/** Entry of the collectors' thread. */
import { nodeTransport } from '../base/node-transport.ts';
import { serveRole } from '../base/role-thread.ts';
import { Client } from '../client/client.ts';
import { roleSecurity } from '../client/role-security.ts';
import { type Settings, section } from '../config/settings.ts';
import { MetricsRegistry } from '../observe/registry.ts';
import type { CompressionName } from '../protocol/compression.ts';
import { CollectorsRole } from './collectors-role.ts';
import { producerSinks } from './producer-sink.ts';
import type { Acks } from './record-sink.ts';
import { type CollectorSettings, collectorDefaults } from './settings.ts';

const acksOf = (value: unknown): Acks => (value === 'all' ? 'all' : value === '1' ? 1 : 0);

/** Each collector's section over its defaults. */
function collectorSettings({ values }: Settings): CollectorSettings {
  const made: Record<string, unknown> = {};
  for (const [name, defaults] of Object.entries(collectorDefaults)) {
    const given = section(values, `collectors.${name}.`);
    made[name] = { ...defaults, ...given, acks: acksOf(given['acks']) };
  }
  return made as unknown as CollectorSettings;
}

serveRole((settings: Settings, { name, clock, random, disk, logger }) => {
  const { values } = settings;
  const client = new Client({
    bootstrap: settings.bootstrap,
    clientId: 'weir-collectors',
    security: roleSecurity(settings, 'collectors', { disk, clock, random, logger }),
    clock,
    random,
    logger,
  });
  const sinks = producerSinks(client, {
    compression: values['collectors.compression'] as CompressionName,
    lingerMs: values['collectors.linger.ms'],
    batchBytes: values['collectors.batch.bytes'],
    bufferBytes: values['collectors.buffer.bytes'],
  });
  return new CollectorsRole({
    settings: collectorSettings(settings),
    dataDir: settings.dataDir,
    sinks,
    transport: nodeTransport,
    disk,
    clock,
    random,
    logger,
    registry: new MetricsRegistry({ role: name, clock }),
    release: () => client.close(),
  });
});
