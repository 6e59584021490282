/**
 * EndTxn, v0-5: answered when the decision is in the log; the markers follow. From v5 on the producer
 * gets the epoch to go on with (KIP-890).
 */
import { AclOperation, AclResource } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type { endTxnRequest, endTxnResponse } from '../../protocol/messages/26-end-txn.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';

/** Before this version, clients do not know PRODUCER_FENCED. */
const FENCED_VERSION = 2;
const EPOCH_BUMP_VERSION = 5;

export const endTxnHandler = handler<Infer<typeof endTxnRequest>, Infer<typeof endTxnResponse>>(
  apis.get(26),
  async (request, context) => {
    const { apiVersion, broker } = context;
    if (!context.may(AclOperation.write, AclResource.transactionalId, request.transactionalId)) {
      const code = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
      return { throttleTimeMs: 0, errorCode: code, producerId: -1, producerEpoch: -1 };
    }
    const version = apiVersion >= EPOCH_BUMP_VERSION ? 2 : 0;
    const { code, producerId, producerEpoch } = await broker.transactions.endTxn(request, version);
    const isNew = apiVersion >= FENCED_VERSION || code !== ErrorCode.PRODUCER_FENCED;
    const errorCode = isNew ? code : ErrorCode.INVALID_PRODUCER_EPOCH;
    return { throttleTimeMs: 0, errorCode, producerId, producerEpoch };
  },
);
