/**
 * The TLS settings of the listener between brokers as they are now, from the thread of a broker to
 * the threads of the roles that come in by that listener. A change made while the broker runs is in
 * its metadata, which a role could read only over the connection that the change concerns.
 *
 * The threads of one process share a channel, named after the appliance's secret. Who comes late
 * asks, so it makes no difference who starts first, or again. A role in a process of its own hears
 * nothing: it goes by its configuration and by the files that this names, which it follows as they
 * change. Whoever sets other files at run time sets them in its configuration, too.
 */
import { createHash } from 'node:crypto';
import type { TlsSettings } from './tls-settings.ts';

/** Null: they are asked for. */
type News = { readonly tls: TlsSettings | null };

/** Called with what is in force, and with every change of it. */
export type FollowTls = (take: (settings: TlsSettings) => void) => void;

/** The broker's side: remembers what it was told last, and tells those who ask. */
export function peerTlsTeller(secret: string): (settings: TlsSettings) => void {
  const channel = channelOf(secret);
  let known: TlsSettings | null = null;
  const tell = (): void => {
    if (known !== null) channel.postMessage({ tls: known } satisfies News);
  };
  channel.onmessage = ({ data }) => {
    if ((data as News).tls === null) tell();
  };
  return (settings) => {
    known = settings;
    tell();
  };
}

/** A role's side. */
export const peerTlsFollower =
  (secret: string): FollowTls =>
  (take) => {
    const channel = channelOf(secret);
    channel.onmessage = ({ data }) => {
      const { tls } = data as News;
      if (tls !== null) take(tls);
    };
    channel.postMessage({ tls: null } satisfies News);
  };

/** Keeps no thread alive. */
function channelOf(secret: string): BroadcastChannel {
  const name = createHash('sha256').update(secret).digest('hex').slice(0, 16);
  const channel = new BroadcastChannel(`weir.peer-tls.${name}`);
  channel.unref();
  return channel;
}
