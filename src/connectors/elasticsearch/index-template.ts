/**
 * The index template of a data stream of log records in ECS. Its version is in `_meta`: a template
 * of the same or a later version is left alone, so that what a user changed stays.
 */
import type { Flavour } from './server.ts';

/** Goes up with every change of what is below. */
export const TEMPLATE_VERSION = 1;

/** Above the template for `logs-*-*` that the servers bring themselves (100). */
const PRIORITY = 250;
const KEYWORD_CHARACTERS_MAX = 1_024;
const FIELDS_MAX = 2_000;

const keyword = { type: 'keyword', ignore_above: KEYWORD_CHARACTERS_MAX };
const text = { type: 'text' };
const long = { type: 'long' };
const ip = { type: 'ip', ignore_malformed: true };
const date = { type: 'date' };

const object = (properties: Readonly<Record<string, unknown>>): object => ({ properties });

/** Fields of ECS that are not keywords, or that are always there; any other text is a keyword. */
const properties = {
  // A data stream takes no document without it, so a malformed one is an error.
  '@timestamp': { type: 'date', ignore_malformed: false },
  message: text,
  tags: keyword,
  log: object({
    level: keyword,
    logger: keyword,
    offset: long,
    file: object({ path: keyword }),
    syslog: object({
      priority: long,
      hostname: keyword,
      appname: keyword,
      procid: keyword,
      msgid: keyword,
      facility: object({ code: long, name: keyword }),
      severity: object({ code: long, name: keyword }),
    }),
  }),
  service: object({ name: keyword, version: keyword, environment: keyword }),
  host: object({ name: keyword, hostname: keyword, ip }),
  event: object({
    // Kept to be looked at, not to be searched.
    original: { type: 'keyword', index: false, doc_values: false, ignore_above: 32_766 },
    dataset: keyword,
    created: date,
    ingested: date,
    severity: long,
    duration: long,
  }),
  process: object({ pid: long, name: keyword }),
  error: object({ type: keyword, message: text, stack_trace: text }),
  trace: object({ id: keyword }),
  span: object({ id: keyword }),
  transaction: object({ id: keyword }),
  source: object({ ip, port: long, address: keyword }),
  client: object({ ip, port: long, address: keyword }),
  http: object({ response: object({ status_code: long }), request: object({ method: keyword }) }),
};

export function indexTemplate(dataStream: string, flavour: Flavour): object {
  return {
    index_patterns: [dataStream],
    data_stream: {},
    priority: PRIORITY,
    _meta: { managed_by: 'weir', version: TEMPLATE_VERSION },
    template: {
      settings: {
        'index.mapping.ignore_malformed': true,
        'index.mapping.total_fields.limit': FIELDS_MAX,
        // Beyond the limit a new field is stored, but not indexed, instead of refusing the document.
        ...(flavour === 'elasticsearch'
          ? { 'index.mapping.total_fields.ignore_dynamic_beyond_limit': true }
          : {}),
      },
      mappings: {
        date_detection: false,
        dynamic_templates: [
          { labels: { path_match: 'labels.*', mapping: keyword } },
          { texts: { match_mapping_type: 'string', mapping: keyword } },
        ],
        properties,
      },
    },
  };
}
