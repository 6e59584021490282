import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import { RoleThread } from '../../../src/base/role-thread.ts';
import { freePort } from '../../peers/peer.ts';
import { batchOf, createTopic, produce, WireClient } from './fixture.ts';

const entry = new URL('../../../src/broker/worker.ts', import.meta.url);
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-worker-test-'));
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

describe('the broker’s thread', () => {
  it('starts, serves, tells its metrics and stops cleanly', async () => {
    const port = await freePort();
    const died: string[] = [];
    const thread = new RoleThread({
      name: 'broker',
      entry,
      settings: {
        secret: null,
        brokers: [],
        values: { insecure: false },
        broker: { listeners: [`PLAINTEXT://127.0.0.1:${port}`], 'log.dirs': [directory] },
      },
      logger: silentLogger,
      onDied: (reason) => died.push(reason),
    });
    await thread.start();
    const client = await WireClient.connect(port);
    await createTopic(client, 't');
    expect((await produce(client, 't', batchOf(['a']), { acks: -1 })).errorCode).toBe(0);
    expect(await thread.metrics()).toContain('kafka_server_kafkaserver_brokerstate 3');
    expect(await thread.status()).toMatchObject({ light: 'green' });
    await thread.stop(10_000);
    await client.closed;
    expect(died).toEqual([]);
    expect(fs.existsSync(path.join(directory, '.kafka_cleanshutdown'))).toBe(true);
  });

  it('says why it cannot start', async () => {
    const thread = new RoleThread({
      name: 'broker',
      entry,
      settings: {
        secret: null,
        brokers: [],
        values: { insecure: false },
        broker: { listeners: ['PLAINTEXT://0.0.0.0:0'], 'log.dirs': [directory] },
      },
      logger: silentLogger,
      onDied: () => {},
    });
    await expect(thread.start()).rejects.toThrow(/insecure: true/);
  });
});
