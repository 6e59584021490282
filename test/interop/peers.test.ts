/** The peers themselves, without Weir: what the other tests measure by has to work. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { describeWithPeers } from '../peers/gate.ts';
import { startKafka } from '../peers/kafka.ts';
import { kcat } from '../peers/kcat.ts';
import { loggen } from '../peers/loggen.ts';
import { showPeersOnFailure } from '../peers/on-failure.ts';
import { sleep } from '../peers/peer.ts';
import { promtool, startPrometheus } from '../peers/prometheus.ts';
import { startRsyslog } from '../peers/rsyslog.ts';

const MESSAGES = 200;

showPeersOnFailure();

describeWithPeers(['kafka', 'kcat', 'loggen', 'omkafka'], 'syslog to Kafka', () => {
  it('brings what loggen sends through rsyslog and Kafka to kcat', async () => {
    const kafka = await startKafka();
    const rsyslog = await startRsyslog({
      module: 'omkafka',
      bootstrap: kafka.bootstrap,
      topic: 'syslog',
    });
    try {
      const sent = await loggen([
        ...['--inet', '--stream', '--syslog-proto', '--number', String(MESSAGES), '--rate', '1000'],
        ...['127.0.0.1', String(rsyslog.port)],
      ]);
      expect(sent.stderr).toContain(`count=${MESSAGES}`);
      let lines: string[] = [];
      for (let i = 0; i < 300 && lines.length < MESSAGES; i++) {
        await sleep(200);
        const read = await kcat(kafka.bootstrap, [
          '-C',
          '-t',
          'syslog',
          '-o',
          'beginning',
          '-e',
          '-q',
        ]);
        lines = read.stdout.split('\n').filter((line) => line.includes('seq: '));
      }
      expect(lines.length).toBe(MESSAGES);
    } finally {
      await rsyslog.stop();
      await kafka.stop();
    }
  });
});

describeWithPeers(['prometheus'], 'Prometheus by itself', () => {
  it('scrapes with Prometheus, and checks with promtool', async () => {
    const text = '# HELP things_total Things.\n# TYPE things_total counter\nthings_total 42\n';
    const server = http.createServer((_, response) => response.end(text));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const prometheus = await startPrometheus({ targets: [`127.0.0.1:${port}`] });
    try {
      expect((await promtool(['check', 'metrics'], text)).code).toBe(0);
      let value = '';
      for (let i = 0; i < 300 && value === ''; i++) {
        await sleep(200);
        value = (await prometheus.query('things_total'))[0]?.value[1] ?? '';
      }
      expect(value).toBe('42');
    } finally {
      await prometheus.stop();
      server.close();
    }
  });
});
