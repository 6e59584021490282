import { fragment } from '../ecs-writer.ts';

/** Facilities and severities (RFC 5424 §6.2.1), as constant parts of a record. */
const FACILITIES = [
  'kern',
  'user',
  'mail',
  'daemon',
  'auth',
  'syslog',
  'lpr',
  'news',
  'uucp',
  'cron',
  'authpriv',
  'ftp',
  'ntp',
  'security',
  'console',
  'solaris-cron',
  ...Array.from({ length: 8 }, (_, i) => `local${i}`),
];
const SEVERITIES = [
  'emergency',
  'alert',
  'critical',
  'error',
  'warning',
  'notice',
  'info',
  'debug',
];

export const PRIORITY_MAX = FACILITIES.length * 8 - 1;
/** What a message without a priority has: user, notice (RFC 3164 §4.3.3). */
export const PRIORITY_DEFAULT = 13;

/** `,"log":{"level":…,"syslog":{…` for each priority; both objects are left open. */
export const PRIORITY_PARTS: readonly Buffer[] = Array.from(
  { length: PRIORITY_MAX + 1 },
  (_, priority) => {
    const facility = priority >> 3;
    const severity = priority & 7;
    return fragment(
      `,"log":{"level":"${SEVERITIES[severity]!}","syslog":{` +
        `"facility":{"code":${facility},"name":"${FACILITIES[facility]!}"},` +
        `"priority":${priority},` +
        `"severity":{"code":${severity},"name":"${SEVERITIES[severity]!}"}`,
    );
  },
);
