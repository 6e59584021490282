import type { Clock, Timer } from '../../base/clock.ts';
import { sleep } from '../../base/clock.ts';
import type { Disk } from '../../base/disk.ts';
import { codeOf, reasonOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { RoleStatus } from '../../base/role.ts';
import type { Listening, Stream, Transport } from '../../base/transport.ts';
import { Balance, dropReasonOf } from '../balance.ts';
import type { Collector, Tally } from '../collector.ts';
import { EcsWriter, TAG_TRUNCATED } from '../ecs-writer.ts';
import {
  type AppendOptions,
  type DeliveryReport,
  plainAddress,
  type RecordSink,
  recordHeaders,
  type SinkFactory,
} from '../record-sink.ts';
import type { SyslogSettings } from '../settings.ts';
import { zoneOf } from './bsd-time.ts';
import { SyslogFramer } from './framer.ts';
import { SyslogParser } from './syslog-parser.ts';
import { kernelDrops, listenUdp, type UdpListening } from './udp.ts';

/**
 * Syslog over UDP and TCP. Nobody is answered, so what can't be stored is counted: UDP drops when
 * the log is slow (`buffer_full`), TCP makes its sender wait.
 *
 * A port that is taken turns the collector yellow; it is tried again every few seconds.
 */
export interface SyslogCollectorOptions {
  readonly settings: SyslogSettings;
  readonly sinks: SinkFactory;
  readonly transport: Transport;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
}

const RETRY_LISTEN_MS = 5000;
const STOP_TIMEOUT_MS = 5000;
/** After a stop, connections are read until they have been silent for so long. */
const STOP_SILENCE_MS = 100;
/** Senders whose headers are kept packed. */
const PEERS_MAX = 1024;
const IDLE_CHECK_MS = 10_000;

interface Peer {
  readonly address: Buffer;
  readonly headers: Uint8Array;
}

export class SyslogCollector implements Collector {
  readonly name = 'syslog';
  readonly balance = new Balance();
  readonly #options: SyslogCollectorOptions;
  readonly #writer = new EcsWriter();
  readonly #parser: SyslogParser;
  readonly #append: AppendOptions = {};
  readonly #peers = new Map<string, Peer>();
  readonly #connections = new Set<SyslogConnection>();
  /** Why a listener does not stand, by `udp` and `tcp`. */
  readonly #failures = new Map<string, string>();
  #sink: RecordSink | null = null;
  #udp: UdpListening | null = null;
  #tcp: Listening | null = null;
  /** Next attempts to listen, by `udp` and `tcp`. */
  readonly #retries = new Map<string, Timer>();
  #idleTimer: Timer | null = null;
  #isStopping = false;
  /** The log takes no more: what still comes out of connections is counted as lost. */
  #isOver = false;
  #isDraining = false;
  #cut = 0;
  #connectionsRefused = 0;
  #framesMalformed = 0;
  #udpMessages = 0;
  #tcpMessages = 0;

  constructor(options: SyslogCollectorOptions) {
    this.#options = options;
    this.#parser = new SyslogParser(this.#writer, zoneOf(options.settings.timezone));
  }

  async start(): Promise<void> {
    const { settings, sinks } = this.#options;
    this.#sink = sinks({
      name: this.name,
      acks: settings.acks,
      delivery: (report) => this.#delivered(report),
    });
    if (settings.udp) await this.#listenUdp();
    if (settings.tcp) await this.#listenTcp();
    if (settings.idleTimeoutMs > 0) this.#watchIdle();
  }

  /** Ports that are bound, for tests and for the first screen. */
  get ports(): { readonly udp: number | null; readonly tcp: number | null } {
    return { udp: this.#udp?.port ?? null, tcp: this.#tcp?.port ?? null };
  }

  async #listenUdp(): Promise<void> {
    const { host, port, udpBufferBytes } = this.#options.settings;
    try {
      const udp = await listenUdp(host, port, udpBufferBytes, (bytes, address) =>
        this.#datagram(bytes, address),
      );
      if (this.#isStopping) return await udp.close();
      this.#udp = udp;
      this.#failures.delete('udp');
      if (udp.bufferBytes < udpBufferBytes) {
        this.#options.logger.info(
          `syslog: the kernel gives UDP a buffer of ${udp.bufferBytes} bytes instead of ${udpBufferBytes}; raise net.core.rmem_max against losses in bursts`,
        );
      }
    } catch (error) {
      this.#retry('udp', error, () => this.#listenUdp());
    }
  }

  async #listenTcp(): Promise<void> {
    const { settings, transport } = this.#options;
    try {
      const tcp = await transport.listen(settings.host, settings.port, (stream) =>
        this.#accept(stream),
      );
      if (this.#isStopping) return await tcp.close();
      this.#tcp = tcp;
      this.#failures.delete('tcp');
    } catch (error) {
      this.#retry('tcp', error, () => this.#listenTcp());
    }
  }

  #retry(kind: string, error: unknown, listen: () => Promise<void>): void {
    const { host, port } = this.#options.settings;
    const why = codeOf(error) === 'EADDRINUSE' ? 'the port is taken' : reasonOf(error);
    const reason = `${kind.toUpperCase()} ${host}:${port}: ${why}`;
    if (!this.#failures.has(kind)) this.#options.logger.warn(`syslog does not listen on ${reason}`);
    this.#failures.set(kind, reason);
    if (this.#isStopping) return;
    this.#retries.set(
      kind,
      this.#options.clock.after(RETRY_LISTEN_MS, () => void listen()),
    );
  }

  #peer(address: string): Peer {
    let peer = this.#peers.get(address);
    if (peer === undefined) {
      if (this.#peers.size === PEERS_MAX) this.#peers.clear();
      const name = plainAddress(address);
      peer = { address: Buffer.from(name), headers: recordHeaders('syslog', name) };
      this.#peers.set(address, peer);
    }
    return peer;
  }

  #datagram(bytes: Buffer, address: string): void {
    this.#udpMessages++;
    let end = bytes.length;
    while (end > 0 && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d || bytes[end - 1] === 0))
      end--;
    if (end === 0) return;
    const cut = Math.min(end, this.#options.settings.messageBytesMax);
    this.balance.received++;
    this.balance.receivedBytes += end;
    if (!this.#store(bytes, 0, cut, cut < end, this.#peer(address), this.#options.clock.now())) {
      this.balance.drop('buffer_full');
    }
  }

  /** Hands one message to the log; false when there is no room. */
  #store(
    bytes: Buffer,
    start: number,
    end: number,
    isCut: boolean,
    peer: Peer,
    nowMs: number,
  ): boolean {
    this.#parser.write(bytes, start, end, nowMs, peer.address, isCut ? TAG_TRUNCATED : 0);
    if (isCut) this.#cut++;
    const append = this.#append;
    append.timestamp = nowMs;
    append.headers = peer.headers;
    const { buffer, pos } = this.#writer;
    return this.#sink!.appendRange(this.#options.settings.topic, buffer, 0, pos, append);
  }

  #accept(stream: Stream): void {
    if (this.#connections.size >= this.#options.settings.connectionsMax || this.#isStopping) {
      this.#connectionsRefused++;
      stream.destroy();
      return;
    }
    const { clock, settings } = this.#options;
    const peer = this.#peer(stream.remote.slice(0, stream.remote.lastIndexOf(':')));
    const connection = new SyslogConnection(stream, settings.messageBytesMax, clock, {
      message: (bytes, start, end, isCut) => {
        // Counted before the sink may report it.
        this.balance.received++;
        if (this.#isOver) {
          this.balance.receivedBytes += end - start;
          this.balance.drop('shutdown');
          return true;
        }
        if (this.#store(bytes, start, end, isCut, peer, connection.nowMs)) {
          this.#tcpMessages++;
          this.balance.receivedBytes += end - start;
          return true;
        }
        this.balance.received--;
        return false;
      },
      refused: () => this.#drain(),
      malformed: () => {
        this.#framesMalformed++;
        this.#options.logger.warn(
          'syslog: a connection sent a frame length that makes no sense and was closed',
          {
            'source.address': peer.address.toString(),
          },
        );
      },
      closed: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
  }

  /** Waits for room, then lets all connections go on. */
  #drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    void this.#sink!.drained().then(() => {
      this.#isDraining = false;
      for (const connection of this.#connections) connection.resume();
    });
  }

  #delivered(report: DeliveryReport): void {
    if (report.error === null) this.balance.stored += report.count;
    else this.balance.drop(dropReasonOf(report.error, this.#isStopping), report.count);
  }

  #watchIdle(): void {
    const { clock, settings } = this.#options;
    this.#idleTimer = clock.after(Math.min(IDLE_CHECK_MS, settings.idleTimeoutMs), () => {
      const before = clock.monotonic() - settings.idleTimeoutMs;
      // One that waits for us is not idle.
      for (const connection of [...this.#connections])
        if (!connection.isRefused && connection.lastMs < before) connection.close();
      if (!this.#isStopping) this.#watchIdle();
    });
  }

  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    for (const timer of this.#retries.values()) timer.cancel();
    this.#idleTimer?.cancel();
    await this.#tcp?.close();
    await this.#silence();
    // Whoever waits for room waits in vain from here on.
    this.#isOver = true;
    for (const connection of [...this.#connections]) {
      connection.close();
      connection.resume();
    }
    await this.#udp?.close();
    await this.#sink?.close(STOP_TIMEOUT_MS);
    this.#udp = null;
    this.#tcp = null;
  }

  /**
   * What senders have written already is read; there is no other sign of what they believe we have.
   * What there is no room for may find some meanwhile.
   */
  async #silence(): Promise<void> {
    const { clock } = this.#options;
    const deadline = clock.monotonic() + STOP_TIMEOUT_MS;
    while (clock.monotonic() < deadline) {
      await sleep(clock, STOP_SILENCE_MS);
      const silent = clock.monotonic() - STOP_SILENCE_MS;
      const isOpen = ({ lastMs, isRefused }: SyslogConnection): boolean =>
        lastMs > silent || isRefused;
      if (![...this.#connections].some(isOpen)) return;
    }
  }

  status(): RoleStatus {
    const reason = [...this.#failures.values()].join('; ');
    return {
      light: reason === '' ? 'green' : 'yellow',
      reason,
      details: { ...this.ports, connections: this.#connections.size },
    };
  }

  *tallies(): Iterable<Tally> {
    yield ['udp_messages', this.#udpMessages];
    yield ['tcp_messages', this.#tcpMessages];
    yield ['messages_truncated', this.#cut];
    yield ['frames_malformed', this.#framesMalformed];
    yield ['connections_refused', this.#connectionsRefused];
    if (this.#udp !== null)
      yield ['udp_kernel_drops', kernelDrops(this.#options.disk, this.#udp.port)];
  }

  *gauges(): Iterable<Tally> {
    yield ['connections', this.#connections.size];
    yield ['buffered_bytes', this.#sink?.bufferedBytes ?? 0];
    if (this.#udp !== null) yield ['udp_buffer_bytes', this.#udp.bufferBytes];
  }
}

interface ConnectionOwner {
  message(bytes: Buffer, start: number, end: number, isCut: boolean): boolean;
  /** A message was refused: `resume` is to be called when there is room. */
  refused(): void;
  malformed(): void;
  /** Called once, when all that came was taken. */
  closed(): void;
}

/** One TCP sender. */
class SyslogConnection {
  readonly #stream: Stream;
  readonly #framer: SyslogFramer;
  readonly #owner: ConnectionOwner;
  readonly #clock: Clock;
  /** Time of receipt of the chunk under way. */
  nowMs = 0;
  /** Monotonic time of the last bytes. */
  lastMs: number;
  #hasEnded = false;

  constructor(stream: Stream, messageBytesMax: number, clock: Clock, owner: ConnectionOwner) {
    this.#stream = stream;
    this.#clock = clock;
    this.#owner = owner;
    this.lastMs = clock.monotonic();
    this.#framer = new SyslogFramer(owner, messageBytesMax);
    stream.onData = (bytes) => this.#data(bytes);
    stream.onClose = () => this.#closed();
  }

  #data(bytes: Buffer): void {
    this.nowMs = this.#clock.now();
    this.lastMs = this.#clock.monotonic();
    this.#framer.push(bytes);
    this.#afterPush();
  }

  #afterPush(): void {
    if (this.#framer.isBroken) {
      this.#owner.malformed();
      this.#stream.destroy();
    } else if (this.#framer.isRefused) {
      this.#stream.pause();
      this.#owner.refused();
    }
  }

  /** It waits for room. */
  get isRefused(): boolean {
    return this.#framer.isRefused;
  }

  resume(): void {
    if (!this.#framer.isRefused) return;
    this.lastMs = this.#clock.monotonic();
    this.#framer.resume();
    this.#afterPush();
    if (this.#framer.isRefused) return;
    if (this.#hasEnded) this.#finish();
    else this.#stream.resume();
  }

  #closed(): void {
    this.#hasEnded = true;
    // A sender that has left while we had no room is kept until what it sent is stored.
    if (!this.#framer.isRefused) this.#finish();
  }

  #finish(): void {
    this.nowMs = this.#clock.now();
    this.#framer.end();
    if (this.#framer.isRefused) this.#owner.refused();
    else this.#owner.closed();
  }

  close(): void {
    if (!this.#hasEnded) this.#stream.destroy();
  }
}
