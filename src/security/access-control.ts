/**
 * Access control as the broker's handlers use it: the authorizer's decision for a connection, the
 * line of the audit log, and the counts of both. There is none where no authorizer is configured.
 */

import { operationBits } from '../protocol/acl.ts';
import type { AuditLog } from './audit-log.ts';
import type { Authorizer, Rights } from './authorizer.ts';
import type { Principal } from './principal.ts';

/** A connection, as far as rights go. */
export interface Session {
  readonly principal: Principal;
  readonly clientHost: string;
  /** Rights as they were looked up last; null: never. */
  rights: Rights | null;
}

export class AccessControl {
  readonly authorizer: Authorizer;
  readonly audit: AuditLog;
  allowed = 0;
  denied = 0;

  constructor(authorizer: Authorizer, audit: AuditLog) {
    this.authorizer = authorizer;
    this.audit = audit;
    authorizer.onDecided = ({ principal, host }, resourceType, name, allowed) => {
      const resource = { resourceType, name };
      audit.decided(principal.text, host, resource, allowed & operationBits(resourceType));
    };
  }

  rightsOf(session: Session): Rights {
    const { principal, clientHost, rights } = session;
    return (session.rights = this.authorizer.rightsOf(principal, clientHost, rights));
  }

  /** Whether the session may; a denial is told when `isTold`: the client has asked for just that. */
  may(
    session: Session,
    operation: number,
    resourceType: number,
    name: string,
    api: string,
    isTold: boolean,
  ): boolean {
    const rights = this.rightsOf(session);
    const isAllowed = rights.may(operation, resourceType, name);
    if (isAllowed) {
      this.allowed += 1;
      return true;
    }
    this.denied += 1;
    if (isTold) {
      const { principal, host } = rights;
      const action = { principal: principal.text, host, api, operation, resourceType, name };
      this.audit.denied(action, () =>
        this.authorizer.reason(rights, operation, resourceType, name),
      );
    }
    return false;
  }
}
