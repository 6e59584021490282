import { type SearchServer, type SearchServerOptions, startSearchServer } from './search-server.ts';

export const OPENSEARCH_VERSION = '3.4.0';

/**
 * OpenSearch without security, one node. `WEIR_PEER_OPENSEARCH=http://host:port` names one that
 * runs already.
 */
export const startOpenSearch = (options: SearchServerOptions = {}): Promise<SearchServer> =>
  startSearchServer(
    {
      flavour: 'opensearch',
      variable: 'WEIR_PEER_OPENSEARCH',
      version: OPENSEARCH_VERSION,
      artefact: `org.opensearch.distribution.integ-test-zip:opensearch:${OPENSEARCH_VERSION}`,
      image: `opensearchproject/opensearch:${OPENSEARCH_VERSION}`,
      prefix: 'OPENSEARCH',
      // The image has the security plugin, the test distribution does not know its setting.
      settings: {},
    },
    options,
  );
