import { serveRole } from '../base/role-thread.ts';
import type { Settings } from '../config/settings.ts';
import { ConnectorsRole } from './connectors-role.ts';

serveRole<Settings>((settings, seams) => new ConnectorsRole(settings, seams));
