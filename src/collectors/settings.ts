import type { Acks } from './record-sink.ts';

/**
 * What the collectors can be told. `config/appliance-keys.ts` makes one key of each member:
 * `collectors.<collector>.<member>`. Sizes are bytes, durations milliseconds.
 */
interface Common {
  readonly enabled: boolean;
  /** 0: may be lost until appended; 1: survives a killed process; all: survives power loss. */
  readonly acks: Acks;
  readonly topic: string;
}

export interface HttpSettings extends Common {
  /** Longest body as it is sent. */
  readonly bodyBytesMax: number;
  /** Longest body after decompression. */
  readonly decodedBytesMax: number;
  /** Bytes of all bodies under way; beyond it requests are answered 429. */
  readonly inFlightBytesMax: number;
  /** Bytes waiting for the log; beyond it requests are answered 429. */
  readonly bufferBytesMax: number;
  /** A body that takes longer to arrive is answered 408. */
  readonly requestTimeoutMs: number;
  /** A log that takes longer to answer is reported as 503. */
  readonly answerTimeoutMs: number;
}

export interface SyslogSettings extends Common {
  readonly host: string;
  /** UDP and TCP. */
  readonly port: number;
  readonly udp: boolean;
  readonly tcp: boolean;
  /** Longer messages are cut and tagged `truncated`. */
  readonly messageBytesMax: number;
  readonly connectionsMax: number;
  /** A TCP connection that sends nothing for so long is closed. 0: never. */
  readonly idleTimeoutMs: number;
  /** Wish for the kernel's receive buffer of the UDP socket. */
  readonly udpBufferBytes: number;
  /** Zone of timestamps without one: `local` or `+hh:mm`. */
  readonly timezone: string;
}

export interface FilesSettings extends Common {
  /** Absolute paths with `*`, `?`, `**`, `[…]` and `{a,b}`. */
  readonly paths: readonly string[];
  readonly exclude: readonly string[];
  /** `auto`: JSON objects are taken as such, syslog stamps are read, all else is text. */
  readonly format: 'auto' | 'text' | 'json' | 'syslog';
  /** Files that have not changed for so long are left alone when they are seen first. */
  readonly ignoreOlderMs: number;
  /** Of a file that is there at the very first start, at most so much is read, from its end. */
  readonly initialBytesMax: number;
  /** Longer lines become several records tagged `split`. */
  readonly lineBytesMax: number;
  /** How often folders are looked through for new files. */
  readonly discoveryMs: number;
  /** How often a file that is being written is looked at; one that rests, up to eight times less. */
  readonly pollMs: number;
  /** A renamed or removed file is read on until it has rested for so long. */
  readonly rotateWaitMs: number;
  /** An idle file is closed, and watched by name only. */
  readonly closeIdleMs: number;
  readonly openFilesMax: number;
  readonly checkpointMs: number;
  /** How lines are joined: see `files/multiline.ts`. */
  readonly multiline: 'off' | 'indent' | 'java' | 'python' | 'go' | 'pattern';
  /** For `pattern`: a regular expression that the first line of a record matches. */
  readonly multilineStart: string;
  /** Lines of one record arrive within so long. */
  readonly multilineTimeoutMs: number;
}

export interface ScrapeSettings extends Common {
  /** URLs of Prometheus text. */
  readonly targets: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly bodyBytesMax: number;
}

export interface CollectorSettings {
  readonly http: HttpSettings;
  readonly syslog: SyslogSettings;
  readonly files: FilesSettings;
  readonly scrape: ScrapeSettings;
}

/** Topic of what could not be taken. */
export const DEAD_LETTERS_TOPIC = 'dead-letters';

const KiB = 1024;
const MiB = 1024 * KiB;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

export const collectorDefaults: CollectorSettings = {
  http: {
    enabled: true,
    acks: 0,
    topic: 'logs',
    bodyBytesMax: 16 * MiB,
    decodedBytesMax: 64 * MiB,
    inFlightBytesMax: 64 * MiB,
    bufferBytesMax: 24 * MiB,
    requestTimeoutMs: 30 * SECOND,
    answerTimeoutMs: 30 * SECOND,
  },
  syslog: {
    enabled: true,
    acks: 0,
    topic: 'logs',
    host: '127.0.0.1',
    port: 5514,
    udp: true,
    tcp: true,
    messageBytesMax: 64 * KiB,
    connectionsMax: 512,
    idleTimeoutMs: 0,
    udpBufferBytes: 8 * MiB,
    timezone: 'local',
  },
  files: {
    enabled: true,
    acks: 0,
    topic: 'logs',
    paths: [
      '/var/log/*.log',
      '/var/log/*/*.log',
      '/var/log/{syslog,messages,secure,maillog,cron,boot}',
    ],
    exclude: [],
    format: 'auto',
    ignoreOlderMs: 24 * HOUR,
    initialBytesMax: 8 * MiB,
    lineBytesMax: 256 * KiB,
    discoveryMs: 5 * SECOND,
    pollMs: 250,
    rotateWaitMs: 5 * SECOND,
    closeIdleMs: 5 * MINUTE,
    openFilesMax: 1024,
    checkpointMs: SECOND,
    multiline: 'off',
    multilineStart: '',
    multilineTimeoutMs: 2 * SECOND,
  },
  scrape: {
    enabled: true,
    acks: 0,
    topic: 'metrics',
    targets: ['http://127.0.0.1:8080/metrics'],
    intervalMs: 60 * SECOND,
    timeoutMs: 10 * SECOND,
    bodyBytesMax: 16 * MiB,
  },
};
