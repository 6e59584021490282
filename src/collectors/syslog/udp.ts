import dgram from 'node:dgram';
import type { Disk } from '../../base/disk.ts';

/**
 * The UDP side of syslog. What the kernel throws away because nobody read in time is lost without
 * a trace, unless its own count is read: `kernelDrops`.
 */
export interface UdpListening {
  readonly port: number;
  /** Bytes of the receive buffer that the kernel gave. */
  readonly bufferBytes: number;
  close(): Promise<void>;
}

/** Rejects with the system's code (EADDRINUSE, …). The bytes belong to the callee. */
export function listenUdp(
  host: string,
  port: number,
  bufferBytes: number,
  onMessage: (bytes: Buffer, address: string) => void,
): Promise<UdpListening> {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const refused = (error: Error): void => {
      // Not bound, it still holds a descriptor.
      socket.close();
      reject(error);
    };
    socket.once('error', refused);
    socket.bind(port, host, () => {
      socket.off('error', refused);
      // Errors of single datagrams (ICMP answers) end nothing.
      socket.on('error', () => {});
      const granted = setReceiveBuffer(socket, bufferBytes);
      socket.on('message', (bytes, from) => onMessage(bytes, from.address));
      resolve({
        port: socket.address().port,
        bufferBytes: granted,
        close: () => new Promise((closed) => socket.close(() => closed())),
      });
    });
  });
}

/** Linux cuts the wish silently at `net.core.rmem_max`; other systems refuse it. */
function setReceiveBuffer(socket: dgram.Socket, wish: number): number {
  for (let bytes = wish; bytes >= 65_536; bytes = Math.floor(bytes / 2)) {
    try {
      socket.setRecvBufferSize(bytes);
      break;
    } catch {
      // Asked for too much: half of it is the next try.
    }
  }
  return socket.getRecvBufferSize();
}

const TABLES = ['/proc/net/udp', '/proc/net/udp6'];

/** Datagrams that the kernel dropped at sockets bound to `port`; 0 where the system does not tell. */
export function kernelDrops(disk: Disk, port: number): number {
  let drops = 0;
  for (const table of TABLES) {
    const text = disk.readFile(table)?.toString('latin1') ?? '';
    for (const line of text.split('\n').slice(1)) {
      const columns = line.trim().split(/\s+/);
      const [, bound] = (columns[1] ?? '').split(':');
      if (bound !== undefined && Number.parseInt(bound, 16) === port)
        drops += Number(columns.at(-1));
    }
  }
  return drops;
}
