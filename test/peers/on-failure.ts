import { afterEach } from 'vitest';
import { peerLogs } from './peer.ts';

/** Called at the top of a test file: a failed test prints the ends of its peers' outputs. */
export function showPeersOnFailure(): void {
  afterEach((context) => {
    if (context.task.result?.state === 'fail') console.error(peerLogs());
  });
}
