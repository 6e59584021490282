import { describe, expect, it } from 'vitest';
import {
  ErrorCode,
  errorName,
  isRetriable,
  ProtocolError,
} from '../../../src/protocol/error-codes.ts';

describe('error codes', () => {
  it('are all numbers from -1 on, each once', () => {
    const codes = Object.values(ErrorCode).sort((a, b) => a - b);
    expect(codes).toEqual(Array.from({ length: codes.length }, (_, i) => i - 1));
    expect(codes.length).toBeGreaterThanOrEqual(134);
  });

  it('have names, also those that the table lacks', () => {
    expect(errorName(0)).toBe('NONE');
    expect(errorName(-1)).toBe('UNKNOWN_SERVER_ERROR');
    expect(errorName(3)).toBe('UNKNOWN_TOPIC_OR_PARTITION');
    expect(errorName(9999)).toBe('ERROR_9999');
  });

  it('are retriable when another try may succeed', () => {
    expect(isRetriable(ErrorCode.NOT_LEADER_OR_FOLLOWER)).toBe(true);
    expect(isRetriable(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)).toBe(true);
    expect(isRetriable(ErrorCode.MESSAGE_TOO_LARGE)).toBe(false);
    expect(isRetriable(ErrorCode.NONE)).toBe(false);
  });

  it('travel in a ProtocolError', () => {
    const error = new ProtocolError(ErrorCode.KAFKA_STORAGE_ERROR);
    expect(error).toBeInstanceOf(Error);
    expect([error.code, error.message]).toEqual([56, 'KAFKA_STORAGE_ERROR']);
    expect(new ProtocolError(56, 'disk is full').message).toBe('disk is full');
  });

  it('quote no more than an answer can carry', () => {
    const { message } = new ProtocolError(42, `no setting ${'ä'.repeat(32_767)}`);
    expect(message).toMatch(/^no setting ä+…$/);
    expect(Buffer.byteLength(message)).toBeLessThan(0x7fff);
  });
});
