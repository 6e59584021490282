/** `npm run dashboards`: writes the dashboards anew. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { dashboards } from './all.ts';
import { dashboardJson } from './panels.ts';

for (const spec of dashboards) {
  writeFileSync(path.join(import.meta.dirname, '..', `${spec.uid}.json`), dashboardJson(spec));
}
