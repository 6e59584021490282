/** Where things listen, in words, made of the settings: for the first screen, the page and `weir status`. */
import type { Settings } from '../config/settings.ts';
import type { Endpoint } from './status.ts';

export const consoleUrl = ({ values }: Settings): string => {
  const host = values['console.host'];
  const shown = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${shown.includes(':') ? `[${shown}]` : shown}:${values['console.port']}`;
};

export function endpointsOf(settings: Settings): Endpoint[] {
  const { roles, values, bootstrap, brokers } = settings;
  const endpoints: Endpoint[] = [];
  const external = values['engine.kafka.bootstrap'].length > 0;
  const kafkaNote = external ? 'Apache Kafka keeps the log' : 'any Kafka client';
  const isPlain = brokers.every(({ address, clients }) => address === clients);
  const where = external || isPlain ? bootstrap : brokers.map(({ clients }) => clients);
  endpoints.push({ what: 'Kafka', where: where.join(','), note: kafkaNote });
  if (roles.includes('console')) {
    const ingest = values['collectors.http.enabled'] ? ', /ingest' : '';
    const note = `page, /api/v1, /metrics${ingest}`;
    endpoints.push({ what: 'Console', where: consoleUrl(settings), note });
  }
  if (roles.includes('collectors')) endpoints.push(...collecting(settings));
  if (roles.includes('connectors')) endpoints.push(shipping(settings));
  return endpoints;
}

function collecting({ values }: Settings): Endpoint[] {
  const endpoints: Endpoint[] = [];
  if (values['collectors.syslog.enabled']) {
    const { 'collectors.syslog.udp': udp, 'collectors.syslog.tcp': tcp } = values;
    const where = `${values['collectors.syslog.host']}:${values['collectors.syslog.port']}`;
    const note = [udp ? 'UDP' : '', tcp ? 'TCP' : ''].filter((name) => name !== '').join(' and ');
    endpoints.push({ what: 'Syslog', where, note });
  }
  if (values['collectors.files.enabled']) {
    const paths = values['collectors.files.paths'];
    endpoints.push({ what: 'Files', where: paths.join(' '), note: 'followed' });
  }
  return endpoints;
}

function shipping({ values }: Settings): Endpoint {
  const url = values['connectors.elasticsearch.url'];
  if (url === null) {
    return {
      what: 'Elasticsearch',
      where: 'off',
      note: 'set WEIR_ELASTICSEARCH_URL to ship there',
    };
  }
  return {
    what: 'Elasticsearch',
    where: withoutPassword(url),
    note: `gets ${values['connectors.elasticsearch.topics'].join(', ')} as ${values['connectors.elasticsearch.index']}`,
  };
}

function withoutPassword(url: string): string {
  try {
    const parsed = new URL(url);
    return `${parsed.protocol}//${parsed.host}${parsed.pathname === '/' ? '' : parsed.pathname}`;
  } catch {
    return '(not a URL)';
  }
}
