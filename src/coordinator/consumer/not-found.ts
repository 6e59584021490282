import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';

export const notFound = (message: string): ProtocolError =>
  new ProtocolError(ErrorCode.GROUP_ID_NOT_FOUND, message);
