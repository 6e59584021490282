/** Entry of the broker's thread. */
import { nodeTransport } from '../base/node-transport.ts';
import { serveRole } from '../base/role-thread.ts';
import type { Settings } from '../config/settings.ts';
import { MetricsRegistry } from '../observe/registry.ts';
import { Broker } from './broker.ts';

serveRole((settings: Settings, seams) => {
  const { clock, random, disk, logger, name } = seams;
  const insecure = settings.broker['insecure'] ?? settings.values['insecure'];
  return new Broker({
    config: { given: { ...settings.broker, insecure }, secret: settings.secret },
    disk,
    clock,
    random,
    transport: nodeTransport,
    logger,
    logLevel: logger,
    registry: new MetricsRegistry({ role: name, clock }),
  });
});
