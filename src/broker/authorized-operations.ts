/**
 * Sets of operations as Metadata and the describing APIs tell them: one bit an operation (Kafka's
 * AclOperation). Without an authorizer everybody may do everything.
 */
const READ = 3;
const WRITE = 4;
const CREATE = 5;
const DELETE = 6;
const ALTER = 7;
const DESCRIBE = 8;
const CLUSTER_ACTION = 9;
const DESCRIBE_CONFIGS = 10;
const ALTER_CONFIGS = 11;
const IDEMPOTENT_WRITE = 12;

/** Not asked for. */
const UNKNOWN = -0x8000_0000;

const bits = (...operations: number[]): number =>
  operations.reduce((set, operation) => set | (1 << operation), 0);

const all = {
  topic: bits(READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS),
  cluster: bits(
    CREATE,
    ALTER,
    DESCRIBE,
    CLUSTER_ACTION,
    DESCRIBE_CONFIGS,
    ALTER_CONFIGS,
    IDEMPOTENT_WRITE,
  ),
} as const;

export const operationsOf = (resource: keyof typeof all, asked: boolean): number =>
  asked ? all[resource] : UNKNOWN;
