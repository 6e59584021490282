/** The access control that a broker's configuration asks for; null: none, everybody may do everything. */
import type { Clock } from '../base/clock.ts';
import { FatalError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Configs } from '../cluster/configs.ts';
import type { MetadataImage } from '../cluster/metadata-image.ts';
import { AccessControl } from '../security/access-control.ts';
import { AuditLog } from '../security/audit-log.ts';
import { Authorizer, parseSuperUsers } from '../security/authorizer.ts';

export function accessControl(
  configs: Configs,
  image: MetadataImage,
  clock: Clock,
  logger: Logger,
): AccessControl | null {
  if (configs.broker('authorizer.class.name') === null) return null;
  const source = {
    get acls() {
      return image.acls.values();
    },
    get version() {
      return image.aclsVersion;
    },
  };
  const authorizer = new Authorizer(source, {
    superUsers: superUsers(configs),
    allowIfNoAcl: configs.boolean('allow.everyone.if.no.acl.found'),
  });
  return new AccessControl(authorizer, new AuditLog(logger, clock));
}

function superUsers(configs: Configs): ReadonlySet<string> {
  const text = configs.broker('super.users');
  try {
    return parseSuperUsers(typeof text === 'string' ? text : '');
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new FatalError(`super.users: ${error.message}`, { cause: error });
  }
}
