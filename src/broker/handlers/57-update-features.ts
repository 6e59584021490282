/** UpdateFeatures, v0-2: see `cluster/controller/feature-updates.ts`. */
import { UpgradeType } from '../../cluster/controller/feature-updates.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  updateFeaturesRequest,
  updateFeaturesResponse,
} from '../../protocol/messages/57-update-features.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError, messageOfError } from '../errors.ts';
import { controllerHandler } from '../handler.ts';

type Request = Infer<typeof updateFeaturesRequest>;
type Response = Infer<typeof updateFeaturesResponse>;

export const updateFeaturesHandler = controllerHandler<Request, Response>(
  apis.get(57),
  async (request, context) => {
    const { controller, logger } = context.broker;
    const updates = request.featureUpdates.map((update) => ({
      name: update.feature,
      level: update.maxVersionLevel,
      upgradeType: update.allowDowngrade ? UpgradeType.safeDowngrade : update.upgradeType,
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
    const outcome = { errorCode: ErrorCode.NONE, errorMessage: null };
    const results = request.featureUpdates.map(({ feature }) => ({ feature, ...outcome }));
    return { throttleTimeMs: 0, ...outcome, results };
  },
  ({ timeoutMs }) => timeoutMs,
);
