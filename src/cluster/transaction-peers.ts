/** What brokers ask each other in a transaction: coordinators on one side, leaders on the other. */
import { calls } from '../client/call.ts';
import type {
  addPartitionsToTxnRequest,
  addPartitionsToTxnResponse,
} from '../protocol/messages/24-add-partitions-to-txn.ts';
import type {
  writeTxnMarkersRequest,
  writeTxnMarkersResponse,
} from '../protocol/messages/27-write-txn-markers.ts';
import type { Infer } from '../protocol/schema.ts';
import type { Peers } from './peers.ts';

/** Time for a coordinator to answer, milliseconds. */
const ADD_MS_MAX = 5_000;
/** Time for a leader to write markers, milliseconds. */
const MARKERS_MS_MAX = 30_000;

/** The version in which brokers ask. */
export const ADD_PARTITIONS_VERSION: number = calls.addPartitionsToTxn.max;

export class TransactionPeers {
  readonly #peers: Peers;

  constructor(peers: Peers) {
    this.#peers = peers;
  }

  /** To the coordinator. Rejects with OperatingError. */
  addPartitions(
    nodeId: number,
    request: Infer<typeof addPartitionsToTxnRequest>,
  ): Promise<Infer<typeof addPartitionsToTxnResponse>> {
    const { addPartitionsToTxn } = calls;
    return this.#peers.send(nodeId, 'transactions', addPartitionsToTxn, request, ADD_MS_MAX);
  }

  /** To a leader of partitions. Rejects with OperatingError. */
  writeMarkers(
    nodeId: number,
    request: Infer<typeof writeTxnMarkersRequest>,
  ): Promise<Infer<typeof writeTxnMarkersResponse>> {
    const { writeTxnMarkers } = calls;
    return this.#peers.send(nodeId, 'transactions', writeTxnMarkers, request, MARKERS_MS_MAX);
  }
}
