import { type SearchServer, type SearchServerOptions, startSearchServer } from './search-server.ts';

export const ELASTICSEARCH_VERSION = '9.2.4';

/**
 * Elasticsearch without security, one node. `WEIR_PEER_ELASTICSEARCH=http://host:port` names one
 * that runs already. As a local process it has no `GET /`, no lifecycle policies and no ingest
 * processors: it is the integration-test distribution.
 */
export const startElasticsearch = (options: SearchServerOptions = {}): Promise<SearchServer> =>
  startSearchServer(
    {
      flavour: 'elasticsearch',
      variable: 'WEIR_PEER_ELASTICSEARCH',
      version: ELASTICSEARCH_VERSION,
      artefact: `org.elasticsearch.distribution.integ-test-zip:elasticsearch:${ELASTICSEARCH_VERSION}`,
      image: `elasticsearch:${ELASTICSEARCH_VERSION}`,
      prefix: 'ES',
      settings: { 'xpack.security.enabled': 'false' },
    },
    options,
  );
