/** A client as subscriptions to its metrics see it; it is forgotten when its connection is closed. */
import type { RequestContext } from '../handler.ts';
import type { TelemetryClient } from './client-telemetry.ts';

export function telemetryClient({ connection, clientId, broker }: RequestContext): TelemetryClient {
  const { id, remote, clientHost, softwareName, softwareVersion } = connection;
  connection.onClosed.set('telemetry', () => broker.telemetry.disconnected(id));
  return {
    connectionId: id,
    client_id: clientId,
    client_software_name: softwareName,
    client_software_version: softwareVersion,
    client_source_address: clientHost,
    client_source_port: remote.slice(remote.lastIndexOf(':') + 1),
  };
}
