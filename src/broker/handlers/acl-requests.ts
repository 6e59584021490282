/** What the APIs of access control share: what Kafka finds wrong with a request as it reads it. */
import { type Acl, type AclFilter, hasUnknown } from '../../protocol/acl.ts';
import { CloseConnection } from '../handler.ts';

/** What a broker without an authorizer answers. */
export const SECURITY_DISABLED = 'No Authorizer is configured.';

/** Kafka takes a request with a number that stands for nothing for none. */
export function checkKnown(parts: readonly (Acl | AclFilter)[]): void {
  if (!parts.some(hasUnknown)) return;
  throw new CloseConnection('request-malformed', 'a kind or an operation of an ACL is UNKNOWN');
}
