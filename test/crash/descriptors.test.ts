/**
 * A broker that may open 256 files and sockets, with more connections and more partitions than that.
 * Whoever is connected is served, appends do not fail, and newcomers come in when others have gone.
 */
import fs from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWithPeers } from '../peers/gate.ts';
import { needProgram } from '../peers/peer.ts';
import { eventually } from '../support/cluster-processes.ts';
import { WeirProcess } from '../support/weir-process.ts';
import { batchOf, createTopic, produce, WireClient } from '../unit/broker/fixture.ts';

const DESCRIPTORS = 256;
const CONNECTIONS = 400;
const PARTITIONS = 300;

describeWithPeers(['prlimit'], 'a broker that is short of descriptors', () => {
  let weir: WeirProcess;
  let client: WireClient;
  const others: WireClient[] = [];

  beforeAll(async () => {
    weir = await WeirProcess.start({
      roles: 'broker,console',
      under: [needProgram('prlimit', 'util-linux'), `--nofile=${DESCRIPTORS}`],
      settings: ['log.to.topic=false'],
    });
    client = await WireClient.connect(weir.port);
  });
  afterAll(async () => {
    for (const other of others) await other.close();
    await client?.close();
    await weir?.stop();
  });

  const open = (): number => fs.readdirSync(`/proc/${weir.pid}/fd`).length;

  test('partitions', async () => {
    console.log('start', open());
    await createTopic(client, 'few', 5);
    console.log('few', open());
    await createTopic(client, 'many', PARTITIONS);
    console.log('many', open());
    const codes = new Map<number, number>();
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const { errorCode } = await produce(client, 'many', batchOf(['x']), { partition });
      codes.set(errorCode, (codes.get(errorCode) ?? 0) + 1);
    }
    console.log('written', open(), codes);
  });
  test('connections', async () => {
    let refused = 0;
    for (let i = 0; i < CONNECTIONS; i++) {
      const other = await WireClient.connect(weir.port);
      const t = setTimeout(() => void other.close(), 1000);
      const a = await other.tryRequest('ApiVersions', 0, {});
      clearTimeout(t);
      if (a === null) refused++;
      else others.push(other);
    }
    console.log('connected', others.length, refused, open());
    const codes = new Map<number, number>();
    for (let n = 0; n < 20; n++) {
      const { errorCode } = await produce(client, 'few', batchOf(['x']), { partition: n % 5 });
      codes.set(errorCode, (codes.get(errorCode) ?? 0) + 1);
    }
    console.log(codes, weir.output.split('\n').slice(-15));
  });
});
