/** Runs on a host of a test's network, and passes on the connections that it is given: see `Network`. */
import net from 'node:net';
import { pipeline } from 'node:stream';

interface Destination {
  readonly host: string;
  readonly port: number;
}

process.on('message', ({ host, port }: Destination, socket?: net.Socket) => {
  if (socket === undefined) return; // Closed by the one who knocked, on its way to here.
  const onward = net.connect({ host, port, noDelay: true });
  socket.setNoDelay(true);
  // An end without an error passes as such; anything else closes both.
  const ended = (error: Error | null | undefined): void => {
    if (error === null || error === undefined) return;
    socket.destroy();
    onward.destroy();
  };
  pipeline(socket, onward, ended);
  pipeline(onward, socket, ended);
});
process.on('disconnect', () => process.exit());
