/** A real filesystem without room: appends are refused, reads go on, and it recovers by itself. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Client } from '../../src/client/client.ts';
import { Producer } from '../../src/client/producer.ts';
import { describeWithPeers } from '../peers/gate.ts';
import { WeirProcess } from '../support/weir-process.ts';

const RECORD = Buffer.alloc(100_000, 'x');
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

describeWithPeers(['tmpfs'], 'a full disk', () => {
  const mount = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-full-'));
  const ballast = path.join(mount, 'ballast');
  let weir: WeirProcess;
  let client: Client;

  beforeAll(async () => {
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', mount]);
    if (mounted.status !== 0)
      throw new Error(`mount: ${mounted.error?.message ?? mounted.stderr.toString()}`);
    weir = await WeirProcess.start({
      data: path.join(mount, 'data'),
      roles: 'broker',
      settings: ['log.to.topic=false'],
    });
    client = new Client({ bootstrap: weir.bootstrap, clientId: 'full' });
  }, 60_000);

  afterAll(async () => {
    client?.close();
    await weir?.halt();
    spawnSync('umount', [mount]);
    fs.rmSync(mount, { recursive: true, force: true });
  });

  /** One record with acks=1; the error of its delivery, or null. */
  async function produce(deliveryTimeoutMs: number): Promise<Error | null> {
    const producer = new Producer(client, { acks: 1, lingerMs: 0, deliveryTimeoutMs });
    try {
      return await new Promise((resolve) => {
        producer.append('filling', RECORD, { delivered: (error) => resolve(error) });
      });
    } finally {
      await producer.close();
    }
  }

  async function recordsReadable(): Promise<number> {
    const text = spawnSync(
      process.execPath,
      ['src/weir.mjs', 'consume', 'filling', '--from-beginning', '--timeout-ms', '3000'].concat([
        '--bootstrap-server',
        weir.bootstrap,
      ]),
      { maxBuffer: 256 * 1024 * 1024, encoding: 'utf8' },
    );
    return text.stdout.split('\n').filter((line) => line.length === RECORD.length).length;
  }

  test('appends fail with the protocol error, reads go on, and space heals it', async () => {
    fs.writeFileSync(ballast, Buffer.alloc(8 * 1024 * 1024));
    let stored = 0;
    let refusal: Error | null = null;
    for (let n = 0; n < 1000 && refusal === null; n++) {
      refusal = await produce(3000);
      if (refusal === null) stored++;
    }
    expect(refusal?.message).toMatch(/KAFKA_STORAGE_ERROR/);
    expect(stored).toBeGreaterThan(50);
    expect(await recordsReadable()).toBe(stored);

    fs.rmSync(ballast);
    let healed: Error | null = refusal;
    for (let attempt = 0; attempt < 20 && healed !== null; attempt++) {
      healed = await produce(3000);
      if (healed !== null) await pause(500);
    }
    expect(healed).toBeNull();
    expect(await recordsReadable()).toBe(stored + 1);

    // And what was written on a full disk is whole after a kill.
    await weir.kill();
    await weir.restart();
    expect(await recordsReadable()).toBe(stored + 1);
  }, 180_000);
});
