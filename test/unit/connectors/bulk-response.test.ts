import { describe, expect, it } from 'vitest';
import { readBulkResponse } from '../../../src/connectors/elasticsearch/bulk-response.ts';
import { actionFor, type ItemAction } from '../../../src/connectors/elasticsearch/item-outcome.ts';

const created = '{"create":{"status":201}}';
const read = (text: string, expected: number): ReturnType<typeof readBulkResponse> =>
  readBulkResponse(Buffer.from(text), expected);

describe('bulk response', () => {
  it.each([
    `{"errors":false,"took":3,"items":[${created},${created}]}`,
    `{"took":3,"errors":false,"items":[${created},${created}]}`,
  ])('tells that all were created: %s', (text) => {
    expect(read(text, 2)).toBeNull();
  });

  it('reads other forms of the same answer', () => {
    const text = `{ "errors": false, "items": [ {"create": {"status": 201}}, ${created} ] }`;
    expect(read(text, 2)?.map(({ status }) => status)).toEqual([201, 201]);
    const other = `{"errors":false,"items":[${created},{"create":{"status":200}}]}`;
    expect(read(other, 2)?.map(({ status }) => status)).toEqual([201, 200]);
  });

  it('tells of an answer that is longer than what is compared at once', () => {
    const items = Array.from({ length: 3_000 }, () => created);
    const text = (): string => `{"errors":false,"items":[${items.join(',')}]}`;
    expect(read(text(), 3_000)).toBeNull();
    items[2_999] = '{"create":{"status":409}}';
    expect(read(text(), 3_000)?.at(-1)?.status).toBe(409);
  });

  it('reads errors with their causes', () => {
    const error = {
      type: 'document_parsing_exception',
      reason: 'failed to parse field [message]',
      caused_by: { type: 'illegal_state_exception', reason: "can't get text" },
    };
    const text = JSON.stringify({ errors: true, items: [{ create: { status: 400, error } }] });
    expect(read(text, 1)).toEqual([
      {
        status: 400,
        type: 'document_parsing_exception',
        reason: "failed to parse field [message]: can't get text",
      },
    ]);
  });

  it.each([
    ['cut off', `{"errors":false,"items":[${created},${created}`, 2],
    ['cut off behind the items', `{"errors":false,"items":[${created},${created}]`, 2],
    ['too few items', `{"errors":false,"items":[${created}]}`, 2],
    ['too many items', `{"errors":false,"items":[${created},${created}]}`, 1],
    ['no items', '{"errors":false}', 1],
    ['an item without status', '{"errors":false,"items":[{"create":{}}]}', 1],
    ['a page of a proxy', '<html>', 1],
    ['nothing', '', 1],
  ])('believes nothing of an answer with %s', (_, text, expected) => {
    expect(() => read(text, expected)).toThrow(expect.objectContaining({ code: 'bulk-response' }));
  });

  it.each<[number, string, ItemAction]>([
    [200, '', 'done'],
    [201, '', 'done'],
    [409, 'version_conflict_engine_exception', 'duplicate'],
    [429, 'es_rejected_execution_exception', 'slower'],
    [429, 'circuit_breaking_exception', 'slower'],
    [429, 'cluster_block_exception', 'slower'],
    [403, 'cluster_block_exception', 'slower'],
    [503, 'unavailable_shards_exception', 'slower'],
    [503, '', 'slower'],
    [502, '', 'again'],
    [504, '', 'again'],
    [500, 'process_cluster_event_timeout_exception', 'again'],
    [500, 'something_new', 'again'],
    [401, 'security_exception', 'stuck'],
    [403, 'security_exception', 'stuck'],
    [400, 'index_closed_exception', 'stuck'],
    [400, 'document_parsing_exception', 'refused'],
    [400, 'mapper_parsing_exception', 'refused'],
    [400, 'illegal_argument_exception', 'refused'],
    [404, 'index_not_found_exception', 'stuck'],
    [404, 'shard_not_found_exception', 'again'],
    [404, 'illegal_index_shard_state_exception', 'again'],
    [400, 'validation_exception', 'stuck'],
    [400, 'action_request_validation_exception', 'refused'],
    [413, '', 'refused'],
  ])('judges status %d %s as %s', (status, type, action) => {
    expect(actionFor({ status, type, reason: '' }, 1)).toBe(action);
  });

  it.each([
    'no write index is defined for alias [logs]. The write index may be explicitly disabled',
    'Validation Failed: 1: this action would add [2] shards, but this cluster has [1000]/[1000]',
    'pipeline with id [geo] does not exist',
  ])('waits for a person when the index is at fault: %s', (reason) => {
    const item = { status: 400, type: 'illegal_argument_exception', reason };
    expect(actionFor(item, 1)).toBe('stuck');
    // What only quotes it is a document's own fault.
    expect(actionFor({ ...item, reason: `failed to parse: ${reason}` }, 1)).toBe('refused');
  });

  it('gives an unknown 500 up after ten attempts', () => {
    const item = { status: 500, type: 'something_new', reason: '' };
    expect(actionFor(item, 9)).toBe('again');
    expect(actionFor(item, 10)).toBe('refused');
  });
});
