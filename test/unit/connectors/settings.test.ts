import { describe, expect, it } from 'vitest';
import { readElasticsearchSettings } from '../../../src/connectors/elasticsearch/settings.ts';

describe('Elasticsearch settings', () => {
  it("takes a configuration of Kafka Connect's sink", () => {
    const settings = readElasticsearchSettings(
      {
        name: 'es',
        'connector.class': 'io.confluent.connect.elasticsearch.ElasticsearchSinkConnector',
        'tasks.max': '1',
        topics: 'logs',
        'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
        'connection.url': 'http://a:9200,https://b:9200/prefix',
        'connection.username': 'elastic',
        'connection.password': 'secret',
        'batch.size': '500',
        'linger.ms': '1000',
        'key.ignore': 'true',
        'schema.ignore': 'true',
        'errors.tolerance': 'all',
      },
      null,
    );
    expect(settings.server.urls).toEqual(['http://a:9200', 'https://b:9200/prefix']);
    expect(settings.server.username).toBe('elastic');
    expect(settings.requestRecordsMax).toBe(500);
    expect(settings.lingerMs).toBe(1_000);
    expect(settings.index).toBe('logs-weir-default');
  });

  it.each([
    [{}, 'connection.url must be given'],
    [{ 'connection.url': 'ftp://a' }, 'http:// or https://'],
    [{ 'connection.url': 'http://a', 'key.ignore': 'false' }, 'key.ignore must be true'],
    [{ 'connection.url': 'http://a', 'batch.size': '0' }, 'batch.size must be at least 1'],
    [{ 'connection.url': 'http://a', 'write.method': 'upsert' }, 'write.method must be one of'],
    [{ 'connection.url': 'http://a', 'flush.timeot.ms': '1' }, 'flush.timeot.ms is not known'],
    [{ 'connection.url': 'http://a', index: '../_security' }, "index '../_security'"],
    [{ 'connection.url': 'http://a', index: 'logs-*' }, "index 'logs-*'"],
    [{ 'connection.url': 'http://a', index: 'Logs' }, "index 'Logs'"],
    [{ 'connection.url': 'http://a', index: '.security' }, "index '.security'"],
  ])('refuses %j', (config, message) => {
    expect(() => readElasticsearchSettings(config, null)).toThrow(message);
  });
});
