/** An answer that says nothing but an error, made from the schema: every other field is absent. */
import type { Api } from './apis.ts';
import type { Spec } from './schema.ts';

/** For APIs whose answer has a code of its own, beside those of its items. */
export function refusedBody(api: Api, errorCode: number): unknown {
  return { ...(emptyOf(api.response.body.spec) as object), errorCode };
}

const emptyOf = ({ kind, fields, absent }: Spec): unknown =>
  kind === 'struct'
    ? Object.fromEntries(fields.map(([name, spec]) => [name, emptyOf(spec)]))
    : absent;
