/**
 * AlterUserScramCredentials, v0: the active controller writes what is needed to check a password,
 * made of the salted one that the client has made, and forgets that.
 */
import type { UserAlteration } from '../../cluster/controller/users.ts';
import { AclOperation, AclResource, CLUSTER_NAME } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import type {
  alterUserScramCredentialsRequest,
  alterUserScramCredentialsResponse,
} from '../../protocol/messages/51-alter-user-scram-credentials.ts';
import type { Infer } from '../../protocol/schema.ts';
import {
  credentialOf,
  ITERATIONS_MAX,
  ITERATIONS_MIN,
  scramMechanisms,
} from '../../security/sasl/scram.ts';
import { codeOfError, messageOfError } from '../errors.ts';
import { controllerHandler } from '../handler.ts';

type Request = Infer<typeof alterUserScramCredentialsRequest>;
type Response = Infer<typeof alterUserScramCredentialsResponse>;

const bounds = { min: ITERATIONS_MIN, max: ITERATIONS_MAX };

export const alterUserScramCredentialsHandler = controllerHandler<Request, Response>(
  apis.get(51),
  async (request, context) => {
    const { controller, logger } = context.broker;
    try {
      context.demand(AclOperation.alter, AclResource.cluster, CLUSTER_NAME);
      // Each takes several digests, and a request has room for very many: rights come first.
      const alterations = [
        ...request.deletions.map(deletion),
        ...request.upsertions.map(upsertion),
      ];
      return { throttleTimeMs: 0, results: await controller.alterUsers(alterations, bounds) };
    } catch (error) {
      const errorCode = codeOfError(error, logger);
      const errorMessage = messageOfError(error);
      const names = new Set([...request.deletions, ...request.upsertions].map(({ name }) => name));
      const results = [...names].map((user) => ({ user, errorCode, errorMessage }));
      return { throttleTimeMs: 0, results };
    }
  },
);

const isKnown = (type: number): boolean =>
  scramMechanisms.some((mechanism) => mechanism.type === type);

const deletion = ({ name, mechanism }: Request['deletions'][number]): UserAlteration => ({
  name,
  mechanism,
  isKnown: isKnown(mechanism),
  credential: null,
  isEmpty: false,
});

function upsertion(given: Request['upsertions'][number]): UserAlteration {
  const { name, mechanism, iterations, salt, saltedPassword } = given;
  const known = scramMechanisms.find(({ type }) => type === mechanism) ?? scramMechanisms[0]!;
  const credential = credentialOf(known, saltedPassword, Buffer.from(salt), iterations);
  return {
    name,
    mechanism,
    isKnown: isKnown(mechanism),
    credential,
    isEmpty: saltedPassword.length === 0,
  };
}
