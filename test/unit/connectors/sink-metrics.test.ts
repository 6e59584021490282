import { expect, it } from 'vitest';
import { registerSinkMetrics } from '../../../src/connectors/sink-metrics.ts';
import { connectorMetrics } from '../../../src/observe/catalogue-connectors.ts';
import { MetricsRegistry } from '../../../src/observe/registry.ts';

it('exposes every metric of the catalogue, and no other', async () => {
  const registry = new MetricsRegistry();
  registerSinkMetrics(registry, () => []);
  const names = [...(await registry.text()).matchAll(/^# TYPE (\S+) /gm)].map((match) => match[1]!);
  expect(names.toSorted()).toEqual(Object.keys(connectorMetrics).toSorted());
});
