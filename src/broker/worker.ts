/** Entry of the broker's thread. */
import { nodeTransport } from '../base/node-transport.ts';
import { serveRole } from '../base/role-thread.ts';
import type { Settings } from '../config/settings.ts';
import { ThreadEngine } from '../log/cleaning-thread.ts';
import { MetricsRegistry } from '../observe/registry.ts';
import { peerTlsTeller } from '../security/peer-tls.ts';
import { Broker } from './broker.ts';

serveRole((settings: Settings, seams) => {
  const { clock, random, disk, logger, name } = seams;
  const { secret, brokers } = settings;
  // The roles have their settings from the first broker.
  const isFirst = brokers[0]?.role === name;
  const insecure = settings.broker['insecure'] ?? settings.values['insecure'];
  return new Broker({
    config: { given: { ...settings.broker, insecure }, secret },
    disk,
    clock,
    random,
    transport: nodeTransport,
    logger,
    logLevel: logger,
    registry: new MetricsRegistry({ role: name, clock }),
    cleaningEngine: new ThreadEngine({ clock, logger }),
    ...(isFirst && secret !== null ? { onPeerTls: peerTlsTeller(secret) } : {}),
  });
});
