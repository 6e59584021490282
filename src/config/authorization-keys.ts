/** Who may do what: Kafka's names. The rules themselves are ACLs, which stand in the metadata. */
import type { Key } from './table.ts';

export const authorizationKeys: readonly Key[] = [
  {
    name: 'authorizer.class.name',
    type: 'string',
    default: null,
    values: ['org.apache.kafka.metadata.authorizer.StandardAuthorizer'],
    doc: 'Has ACLs decide who may do what, as Kafka’s StandardAuthorizer does; without it, everybody may do everything.',
  },
  {
    name: 'super.users',
    type: 'string',
    default: null,
    doc: 'Principals that may do everything, whatever ACLs say, as User:alice;User:bob. The principal by which brokers authenticate to each other must be one.',
  },
  {
    name: 'allow.everyone.if.no.acl.found',
    type: 'boolean',
    default: false,
    doc: 'Whether everybody may do everything to a resource for which there is no ACL at all.',
  },
];
