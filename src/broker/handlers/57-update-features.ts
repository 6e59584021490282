/** UpdateFeatures, v0-2: see `cluster/controller/feature-updates.ts`. */
import { AclOperation } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  updateFeaturesRequest,
  updateFeaturesResponse,
} from '../../protocol/messages/57-update-features.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError, messageOfError } from '../errors.ts';
import { controllerHandler } from '../handler.ts';
import { CLUSTER_DENIED, forCluster } from './rights.ts';

type Request = Infer<typeof updateFeaturesRequest>;
type Response = Infer<typeof updateFeaturesResponse>;

export const updateFeaturesHandler = controllerHandler<Request, Response>(
  apis.get(57),
  forCluster<Request, Response>(
    AclOperation.alter,
    async (request, context) => {
      const { controller, logger } = context.broker;
      const updates = request.featureUpdates.map((update) => ({
        name: update.feature,
        level: update.maxVersionLevel,
        // Version 0 says `allowDowngrade`, which Kafka has not read since there are kinds of it.
        upgradeType: update.upgradeType,
      }));
      try {
        await controller.updateFeatures(updates, request.validateOnly);
      } catch (error) {
        const message = messageOfError(error);
        return {
          throttleTimeMs: 0,
          errorCode: codeOfError(error, logger),
          errorMessage: `The update failed for all features since the following feature had an error: ${message}`,
          results: [],
        };
      }
      const errorCode = ErrorCode.NONE;
      const results = request.featureUpdates.map(({ feature }) => ({
        feature,
        errorCode,
        // The word is Kafka's, too.
        errorMessage: 'NONE',
      }));
      return { throttleTimeMs: 0, errorCode, errorMessage: null, results };
    },
    (errorCode) => ({ throttleTimeMs: 0, errorCode, errorMessage: CLUSTER_DENIED, results: [] }),
  ),
  ({ timeoutMs }) => timeoutMs,
);
