/** UnregisterBroker, v0: see `cluster/controller/broker-registry.ts`. */
import { AclOperation } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  unregisterBrokerRequest,
  unregisterBrokerResponse,
} from '../../protocol/messages/64-unregister-broker.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError, messageOfError } from '../errors.ts';
import { controllerHandler } from '../handler.ts';
import { CLUSTER_DENIED, forCluster } from './rights.ts';

type Request = Infer<typeof unregisterBrokerRequest>;
type Response = Infer<typeof unregisterBrokerResponse>;

export const unregisterBrokerHandler = controllerHandler<Request, Response>(
  apis.get(64),
  forCluster(
    AclOperation.alter,
    async ({ brokerId }, context) => {
      const { controller, quorum, store, logger } = context.broker;
      try {
        // A vote that nobody casts any more would be missing from every majority. It goes first: a
        // second attempt finds the broker still registered.
        const isInService = store.image.brokers.get(brokerId)?.fenced === false;
        if (!isInService) await quorum.removeVoter(brokerId);
        await controller.unregisterBroker(brokerId);
        return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, errorMessage: '' };
      } catch (error) {
        const errorCode = codeOfError(error, logger);
        return { throttleTimeMs: 0, errorCode, errorMessage: messageOfError(error) };
      }
    },
    (errorCode) => ({ throttleTimeMs: 0, errorCode, errorMessage: CLUSTER_DENIED }),
  ),
);
