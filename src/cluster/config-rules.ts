/**
 * Which values a setting takes, refused in Kafka's words: tools and people search for them.
 */
import { brokerKeys } from '../config/broker-keys.ts';
import { type Key, type KeyValue, parseValue } from '../config/table.ts';
import { topicKeys } from '../config/topic-keys.ts';
import { ErrorCode, ProtocolError } from '../protocol/error-codes.ts';

/** Longest value that the wire carries, in bytes. */
const VALUE_BYTES_MAX = 0x7fff;

const refuse = (message: string, code: number = ErrorCode.INVALID_CONFIG): never => {
  throw new ProtocolError(code, message);
};

/** Throws INVALID_CONFIG unless `text` is a value of the topic's setting. */
export function checkTopicConfig(name: string, text: string): KeyValue {
  const key = topicKeys.get(name);
  if (key === undefined) return refuse(`Unknown topic config name: ${name}`);
  return checkValue(key, text);
}

/** The same of a setting that a running broker takes. */
export function checkBrokerConfig(name: string, text: string): KeyValue {
  const key = brokerKeys.get(name);
  if (key === undefined) {
    return refuse(`Unknown broker config name: ${name}`, ErrorCode.INVALID_REQUEST);
  }
  if (key.dynamic !== 'broker') {
    return refuse(`Cannot update these configs dynamically: [${name}]`, ErrorCode.INVALID_REQUEST);
  }
  return checkValue(key, text, ErrorCode.INVALID_REQUEST);
}

function checkValue(key: Key, text: string, code: number = ErrorCode.INVALID_CONFIG): KeyValue {
  if (Buffer.byteLength(text) > VALUE_BYTES_MAX) {
    return refuse(
      `The configuration value cannot be added because it exceeds the maximum value size of ${VALUE_BYTES_MAX} bytes.`,
      code,
    );
  }
  const parsed = parseValue(key, text);
  if ('value' in parsed && parsed.value !== null) return parsed.value;
  return refuse(`Invalid value ${text} for configuration ${key.name}: ${problem(key, text)}`, code);
}

function problem(key: Key, text: string): string {
  if (key.values !== undefined) return `String must be one of: ${key.values.join(', ')}`;
  if (key.type === 'boolean') return 'Expected value to be either true or false';
  const number = text.trim() === '' ? Number.NaN : Number(text);
  if (key.type === 'int' || key.type === 'long') {
    if (!Number.isInteger(number)) return `Not a number of type ${key.type.toUpperCase()}`;
  } else if (Number.isNaN(number)) return `Not a number of type ${key.type.toUpperCase()}`;
  if (key.min !== undefined && number < key.min) return `Value must be at least ${key.min}`;
  if (key.max !== undefined && number > key.max) return `Value must be no more than ${key.max}`;
  return `Not a number of type ${key.type.toUpperCase()}`;
}
