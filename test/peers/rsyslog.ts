import fs from 'node:fs';
import path from 'node:path';
import { accepts, freePort, needProgram, PeerProcess, temporaryDirectory } from './peer.ts';

/** Where an rsyslog sends what it receives. */
export type RsyslogTarget =
  | {
      readonly module: 'omfwd';
      readonly host?: string;
      readonly port: number;
      readonly protocol: 'tcp' | 'udp';
      /** TCP only; `octet-counted` is RFC 6587's, the other ends lines with a newline. */
      readonly framing?: 'octet-counted' | 'traditional';
      /** RFC 5424 (default) or the older BSD form. */
      readonly format?: 'rfc5424' | 'rfc3164';
    }
  | { readonly module: 'omkafka'; readonly bootstrap: string; readonly topic: string }
  | { readonly module: 'omfile'; readonly file: string };

export interface Rsyslog {
  /** Takes syslog over TCP and UDP. */
  readonly port: number;
  /** Takes datagrams of local programs (`logger --socket`). */
  readonly socket: string;
  readonly pid: number;
  stop(): Promise<void>;
  halt(): Promise<void>;
  kill(): Promise<void>;
  restart(): Promise<void>;
}

function action(target: RsyslogTarget, directory: string): string {
  if (target.module === 'omkafka') {
    const brokers = target.bootstrap.split(',').map((broker) => `"${broker}"`);
    return (
      `action(type="omkafka" broker=[${brokers.join(',')}] topic="${target.topic}" template="weir-rfc5424"\n` +
      '  resubmitOnFailure="on" keepFailedMessages="off"\n' +
      '  confParam=["acks=all","queue.buffering.max.ms=5"])\n'
    );
  }
  if (target.module === 'omfile') {
    return `action(type="omfile" file="${target.file}" template="weir-rfc5424")\n`;
  }
  const framing =
    target.protocol === 'tcp' ? ` TCP_Framing="${target.framing ?? 'octet-counted'}"` : '';
  // On disk and retried for ever: what the other side did not take is sent again.
  return (
    `action(type="omfwd" target="${target.host ?? '127.0.0.1'}" port="${target.port}"` +
    ` protocol="${target.protocol}"${framing} template="weir-${target.format ?? 'rfc5424'}"\n` +
    '  action.resumeRetryCount="-1" action.resumeInterval="1"\n' +
    `  queue.type="LinkedList" queue.size="2000000" queue.filename="forward" queue.spoolDirectory="${directory}"\n` +
    '  queue.saveOnShutdown="on" queue.timeoutShutdown="10000")\n'
  );
}

function configuration(
  target: RsyslogTarget,
  port: number,
  socket: string,
  directory: string,
): string {
  const kafka = target.module === 'omkafka' ? 'module(load="omkafka")\n' : '';
  return (
    `global(workDirectory="${directory}" maxMessageSize="64k")\n` +
    'module(load="imtcp")\nmodule(load="imudp")\n' +
    'module(load="imuxsock" sysSock.use="off")\n' +
    `${kafka}` +
    'template(name="weir-rfc5424" type="string" string="<%PRI%>1 %TIMESTAMP:::date-rfc3339% %HOSTNAME% %APP-NAME% %PROCID% %MSGID% %STRUCTURED-DATA%%msg:::sp-if-no-1st-sp%%msg%")\n' +
    'template(name="weir-rfc3164" type="string" string="<%PRI%>%TIMESTAMP% %HOSTNAME% %syslogtag%%msg:::sp-if-no-1st-sp%%msg%")\n' +
    `input(type="imtcp" address="127.0.0.1" port="${port}")\n` +
    `input(type="imudp" address="127.0.0.1" port="${port}")\n` +
    `input(type="imuxsock" socket="${socket}" rateLimit.interval="0")\n` +
    action(target, directory)
  );
}

/** An rsyslog with a configuration of its own that forwards everything it gets to `target`. */
export async function startRsyslog(target: RsyslogTarget): Promise<Rsyslog> {
  const program = needProgram('rsyslogd', 'rsyslog rsyslog-kafka');
  const directory = temporaryDirectory('rsyslog');
  const port = await freePort();
  const socket = path.join(directory, 'log.sock');
  const file = path.join(directory, 'rsyslog.conf');
  fs.writeFileSync(file, configuration(target, port, socket, directory));
  const peer = await PeerProcess.start({
    name: 'rsyslog',
    command: program,
    args: ['-n', '-f', file, '-i', path.join(directory, 'pid')],
    ready: () => accepts(port),
    startTimeoutMs: 20_000,
    data: [directory],
  });
  return {
    port,
    socket,
    get pid() {
      return peer.pid;
    },
    stop: () => peer.stop(),
    halt: () => peer.halt(),
    kill: () => peer.kill(),
    restart: () => peer.restart(),
  };
}
