import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Dashboard, Panel, RowPanel } from '@grafana/grafana-foundation-sdk/dashboard';
import type { Dataquery } from '@grafana/grafana-foundation-sdk/prometheus';
import { describe, expect, it } from 'vitest';
import { dashboards } from '../../../dashboards/src/all.ts';
import { dashboardJson } from '../../../dashboards/src/panels.ts';
import { unknownMetrics } from '../../support/metric-names.ts';

const folder = path.resolve(import.meta.dirname, '../../../dashboards');

const isRow = (panel: Panel | RowPanel): panel is RowPanel => panel.type === 'row';
const targetsOf = (panel: Panel): Dataquery[] => (panel.targets ?? []) as Dataquery[];

for (const spec of dashboards) {
  describe(spec.uid, () => {
    const text = readFileSync(path.join(folder, `${spec.uid}.json`), 'utf8');
    const dashboard = JSON.parse(text) as Dashboard;
    const all = dashboard.panels ?? [];
    const panels = all.filter((panel) => !isRow(panel)) as Panel[];
    const queries = panels.flatMap(targetsOf);

    it('is what `npm run dashboards` writes', () => {
      expect(text).toBe(dashboardJson(spec));
    });

    it('has what Grafana needs to take it from a file', () => {
      expect(dashboard.uid).toBe(spec.uid);
      expect(dashboard.schemaVersion).toBeLessThanOrEqual(42);
      expect(dashboard).not.toHaveProperty('__inputs');
      const names = dashboard.templating?.list?.map(({ name }) => name);
      expect(names).toEqual(['datasource', 'cluster', 'broker', 'topic']);
      expect(dashboard.links?.map(({ url }) => url)).toEqual(
        spec.links.map(({ uid }) => `/d/${uid}`),
      );
    });

    it('has panels with a title, a description, a unit, a data source and queries', () => {
      expect(panels.length).toBeGreaterThan(30);
      for (const panel of panels) {
        const { title } = panel;
        expect(title).toMatch(/\S/);
        expect([title, panel.description]).toEqual([title, expect.stringMatching(/\S.*\.$/s)]);
        expect([title, panel.fieldConfig?.defaults.unit]).toEqual([title, expect.any(String)]);
        const source = { type: 'prometheus', uid: '${datasource}' };
        expect([title, panel.datasource]).toEqual([title, source]);
        const targets = targetsOf(panel);
        expect([title, targets.length]).not.toEqual([title, 0]);
        for (const target of targets) {
          expect([title, target.datasource]).toEqual([title, source]);
          expect([title, target.expr]).toEqual([title, expect.stringContaining('$cluster')]);
        }
        const refs = targets.map(({ refId }) => refId);
        expect(new Set(refs).size).toBe(refs.length);
      }
    });

    it('has ids of its own for every panel and row', () => {
      const ids = all.map(({ id }) => id);
      expect(ids).toEqual(ids.map((_, i) => i + 1));
      const titles = panels.map(({ title }) => title);
      expect(titles.filter((title, i) => titles.indexOf(title) !== i)).toEqual([]);
    });

    it('has a grid without overlaps, within 24 columns', () => {
      const taken = new Map<string, string>();
      for (const panel of all) {
        const { x, y, w, h } = panel.gridPos!;
        expect([panel.title, x >= 0 && w > 0 && x + w <= 24 && h > 0]).toEqual([panel.title, true]);
        for (let row = y; row < y + h; row++) {
          for (let column = x; column < x + w; column++) {
            const cell = `${column},${row}`;
            expect([panel.title, taken.get(cell)]).toEqual([panel.title, undefined]);
            taken.set(cell, panel.title ?? '');
          }
        }
      }
    });

    it('asks for rates over what Grafana finds right, and for no instance by name', () => {
      for (const { expr } of queries) {
        for (const [, window] of expr.matchAll(/(?:rate|increase)\([^[]*\[([^\]]+)\]/g)) {
          expect(window).toMatch(/^\$__(rate_interval|range)$/);
        }
        expect(expr).not.toMatch(/instance="/);
      }
    });

    it('asks only for metrics that are exposed', () => {
      expect(queries.length).toBeGreaterThan(30);
      expect(unknownMetrics(queries.map(({ expr }) => expr))).toEqual([]);
    });
  });
}
