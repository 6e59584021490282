/**
 * OffsetForLeaderEpoch, v2-4: where a term ended, for clients and followers that must find out
 * whether what they have read still stands. A term that is not known has end -1.
 */
import { AclOperation, AclResource, CLUSTER_NAME } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import type {
  offsetForLeaderEpochRequest,
  offsetForLeaderEpochResponse,
} from '../../protocol/messages/23-offset-for-leader-epoch.ts';
import type { Infer } from '../../protocol/schema.ts';
import { codeOfError } from '../errors.ts';
import { handler, type RequestContext } from '../handler.ts';

type Request = Infer<typeof offsetForLeaderEpochRequest>;
type Response = Infer<typeof offsetForLeaderEpochResponse>;

/** Brokers have a right on the cluster instead. */
const mayDescribe = (topic: string, context: RequestContext): boolean =>
  context.mayQuietly(AclOperation.clusterAction, AclResource.cluster, CLUSTER_NAME) ||
  context.may(AclOperation.describe, AclResource.topic, topic);

export const offsetForLeaderEpochHandler = handler<Request, Response>(
  apis.get(23),
  (request, context) => ({
    throttleTimeMs: 0,
    topics: request.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition, currentLeaderEpoch, leaderEpoch }) => {
        try {
          if (!mayDescribe(topic, context)) {
            throw new ProtocolError(ErrorCode.TOPIC_AUTHORIZATION_FAILED);
          }
          const held = context.broker.partitions.held(topic, partition);
          held.checkLeaderEpoch(currentLeaderEpoch);
          held.leading();
          // The term under way ends where the log does, even if nothing was written in it.
          const end =
            leaderEpoch === held.leaderEpoch
              ? { epoch: leaderEpoch, endOffset: held.log.logEndOffset }
              : held.log.endOffsetForEpoch(leaderEpoch);
          const { epoch, endOffset } = end;
          return { errorCode: ErrorCode.NONE, partition, leaderEpoch: epoch, endOffset };
        } catch (error) {
          const errorCode = codeOfError(error, context.broker.logger);
          context.broker.apiStats.get(23)?.countError(errorCode);
          return { errorCode, partition, leaderEpoch: -1, endOffset: -1 };
        }
      }),
    })),
  }),
);
