/**
 * DescribeLogDirs (key 35): the sizes of partitions by log directory (KIP-113).
 *
 * Versions: 1 throttled after the answer · 2 flexible · 3 an error of the whole answer · 4 size of the volume
 * (KIP-827) · 5 cordoned directories (KIP-1066).
 */
import { array, bool, int16, int32, int64, message, string } from '../schema.ts';

export const describeLogDirsRequest = message(
  'DescribeLogDirsRequest',
  { api: 35, min: 0, max: 5, flexible: 2 },
  {
    // Null: every topic.
    topics: array({ topic: string, partitions: array(int32) }).nullable(),
  },
);

export const describeLogDirsResponse = message(
  'DescribeLogDirsResponse',
  { api: 35, min: 0, max: 5, flexible: 2 },
  {
    throttleTimeMs: int32,
    errorCode: int16.since(3),
    results: array({
      errorCode: int16,
      logDir: string,
      topics: array({
        name: string,
        partitions: array({
          partitionIndex: int32,
          partitionSize: int64,
          // Behind the high watermark or, for a future log, behind the current one.
          offsetLag: int64,
          isFutureKey: bool,
        }),
      }),
      totalBytes: int64.since(4).default(-1),
      usableBytes: int64.since(4).default(-1),
      isCordoned: bool.since(5),
    }),
  },
);
