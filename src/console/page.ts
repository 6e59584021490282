/**
 * The page under `/`: what `/api/v1/status` says, refreshed every two seconds. No build, no
 * libraries, nothing from elsewhere; the policy allows exactly this style and this script.
 */
import { createHash } from 'node:crypto';

const style = `
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.light { display: inline-block; width: .7em; height: .7em; border-radius: 50%; margin-right: .5em; background: #999; }
.green { background: #2a9d4a; } .yellow { background: #d9a400; } .red { background: #d33; }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; }
#problem { color: #d33; }
`;

const script = `
const byId = (id) => document.getElementById(id);
const cell = (row, text, className) => { const td = row.insertCell(); td.textContent = text; if (className) td.className = className; return td; };
const fill = (id, items, write) => { const body = byId(id); body.replaceChildren(); for (const item of items) write(body.insertRow(), item); };
const light = (td, colour) => { const dot = document.createElement('span'); dot.className = 'light ' + colour; td.prepend(dot); };
const of = (d) => d.leaders === undefined ? '' : 'leads ' + d.leaders + ' of ' + d.replicas + ' replicas' + (d.isController ? ', controller' : '');
let before = null;
let token = sessionStorage.getItem('token');
async function refresh() {
  const headers = token ? { authorization: 'Bearer ' + token } : {};
  const answer = await fetch('/api/v1/status', { headers });
  if (answer.status === 401) {
    token = prompt('Token (console.token)');
    if (token) sessionStorage.setItem('token', token);
    throw new Error('a token is needed');
  }
  const status = await answer.json();
  const now = performance.now();
  byId('summary').textContent = 'version ' + status.version + ', up ' + Math.round(status.uptimeSeconds) + ' s, '
    + Math.round(status.process.residentBytes / 1048576) + ' MB resident, data in ' + status.dataDir;
  byId('light').className = 'light ' + status.light;
  byId('warnings').textContent = status.warnings.join('\\n');
  fill('roles', status.roles, (row, role) => { light(cell(row, role.name), role.light); cell(row, role.reason || 'works'); cell(row, of(role.details || {})); });
  fill('endpoints', status.endpoints, (row, e) => { cell(row, e.what); cell(row, e.where); cell(row, e.note); });
  fill('topics', status.topics || [], (row, topic) => {
    const old = before && before.topics.get(topic.name);
    const rate = old === undefined || old === null ? '' : Math.max(0, (topic.records - old) / (now - before.at) * 1000).toFixed(0) + '/s';
    cell(row, topic.name); cell(row, topic.partitions, 'number'); cell(row, (topic.unknown > 0 ? '≥ ' : '') + topic.records.toLocaleString(), 'number'); cell(row, rate, 'number');
  });
  before = { at: now, topics: new Map((status.topics || []).map((topic) => [topic.name, topic.records])) };
  byId('problem').textContent = status.topicsReason;
}
async function loop() {
  try { await refresh(); } catch (error) { byId('problem').textContent = String(error.message || error); byId('light').className = 'light red'; }
  setTimeout(loop, 2000);
}
loop();
`;

const hash = (text: string): string =>
  `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

export const pagePolicy = [
  "default-src 'none'",
  `style-src ${hash(style)}`,
  `script-src ${hash(script)}`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

export const pageHtml = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Weir</title>
<style>${style}</style>
</head>
<body>
<h1><span id="light" class="light"></span>Weir</h1>
<p id="summary"></p>
<p id="problem"></p>
<pre id="warnings"></pre>
<h2>Parts</h2>
<table><tbody id="roles"></tbody></table>
<h2>What listens where</h2>
<table><tbody id="endpoints"></tbody></table>
<h2>Topics</h2>
<table><thead><tr><th>Topic</th><th class="number">Partitions</th><th class="number">Records</th><th class="number">In</th></tr></thead><tbody id="topics"></tbody></table>
<p><a href="/metrics">/metrics</a> · <a href="/api/v1/status">/api/v1/status</a></p>
<script>${script}</script>
</body>
</html>
`;
