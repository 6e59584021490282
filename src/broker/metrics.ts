import type { MetricsRegistry } from '../observe/registry.ts';
import type { Broker } from './broker.ts';
import type { BrokerServices } from './services.ts';
/** Stub. */
export function registerBrokerMetrics(_r: MetricsRegistry, _b: Broker, _s: BrokerServices): void {}
