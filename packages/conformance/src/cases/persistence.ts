/** Persistence: acknowledged data survives clients, kills, damage and full disks. */

import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Transport } from '@busbar/api/transport';
import type { ConformanceCase } from '../case.ts';
import type { Lab } from '../context/test-context.ts';
import { assertNoticed } from '../faults/damage.ts';
import { fillDisk, takeAll } from '../faults/full-disk.ts';
import { bytesIn } from '../faults/store-files.ts';
import { TASKS } from '../processes/programs/tasks.ts';
import { consume, texts } from '../steps/consuming.ts';
import { drain, drainFully } from '../steps/draining.ts';
import { follow, publishTexts } from '../steps/event-log.ts';
import { queueInfo } from '../steps/queue-view.ts';

const group = 'Persistence';
const MEBIBYTE = 1_048_576;

export const cases: readonly ConformanceCase[] = [
  {
    id: 'X1',
    group,
    title: 'messages, dead letters, settings, bindings, history and keys survive the close of every client',
    level: 'MUST',
    rules: ['RD1'],
    powers: ['reopen'],
    smoke: true,
    async run(lab) {
      const before = await lab.transport();
      const revision = await fill(lab, before);
      await inspect(lab, await lab.reopen(), revision);
    },
  },
  {
    id: 'X4',
    group,
    title: 'a writer killed during its writes leaves every acknowledged message whole, and no partial one',
    level: 'MUST',
    rules: ['RD1', 'RD2'],
    powers: ['processes'],
    takesTurns: true,
    timeoutMs: 40_000,
    async run(lab) {
      const acknowledged: string[] = [];
      await lab.closeAll();
      for (const round of [0, 1, 2, 3]) acknowledged.push(...(await killWriter(lab, `r${round}`)));
      const transport = await lab.reopen();
      const got = await drainFully(lab, transport, 'work');
      lab.check.equal(lab.recorder.lost(acknowledged), [], 'acknowledged and lost');
      lab.check.equal(lab.recorder.duplicates(), [], 'delivered more than once');
      const halves = got.filter((delivery) => lab.text(delivery) !== delivery.id.padEnd(BODY_BYTES, '.'));
      lab.check.equal(halves, [], 'changed messages');
      await lab.send(transport, 'work', lab.messages(1));
    },
  },
  {
    id: 'X6',
    group,
    title:
      'a truncated or overwritten store is refused with an error or delivers every message: none is skipped silently',
    level: 'MUST',
    rules: ['RD1', 'RA1'],
    powers: ['files', 'reopen'],
    async run(lab) {
      const transport = await lab.transport();
      const messages = lab.messages(300, {}, 'x'.repeat(200));
      await lab.send(transport, 'work', messages);
      const bodies = messages.map((message) => lab.text(message));
      await assertNoticed(lab, 'work', bodies);
    },
  },
  {
    id: 'X7',
    group,
    title:
      'a full disk refuses sends with BACKPRESSURE, keeps acknowledged messages, and accepts sends after space is freed',
    level: 'MUST',
    rules: ['RD1', 'RQ10'],
    powers: ['files', 'processes', 'disk'],
    takesTurns: true,
    async run(lab) {
      const { folder } = lab;
      await lab.closeAll();
      const client = await lab.process({ disk: { folder, bytes: 12 * MEBIBYTE } });
      const ballast = join(folder, 'ballast');
      await client.run(TASKS, 'writeFile', { path: ballast, bytes: 3 * MEBIBYTE });
      const { ids, refusals } = await fillDisk(client, lab);
      lab.check.ok(ids.length > 10, `only ${ids.length} messages were stored before the disk was full`);
      lab.check.equal([...refusals], ['BACKPRESSURE'], 'codes of the refusals');
      await client.run(TASKS, 'removeFile', ballast);
      lab.check.equal(await takeAll(lab, client), ids, 'messages of the full disk');
      const again = await client.send('work', [{ body: new Uint8Array(1_000) }]);
      lab.check.equal(again[0]?.status, 'stored', 'a send after space is freed');
    },
  },
  {
    id: 'X8',
    group,
    title: 'a read-only store rejects with PERMISSION_DENIED and acknowledges nothing',
    level: 'MUST',
    rules: ['RD1', 'RA1'],
    powers: ['files', 'processes', 'disk', 'reopen'],
    takesTurns: true,
    async run(lab) {
      await lab.send(await lab.transport(), 'work', lab.messages(3));
      await lab.closeAll();
      const attempt = async (): Promise<void> => {
        const client = await lab.process({ readOnly: lab.folder });
        await client.send('work', [{ id: 'refused', body: new Uint8Array(1) }]);
      };
      await lab.check.rejects(attempt, 'PERMISSION_DENIED', 'opening and sending');
      const got = await drain(lab, await lab.reopen(), 'work');
      lab.check.equal(texts(lab, got), ['m0', 'm1', 'm2'], 'content of the store');
    },
  },
  {
    id: 'X10',
    group,
    title: 'acked messages free their storage: the store stays as large as one burst',
    level: 'MUST',
    rules: ['RQ6', 'RT6'],
    powers: ['files'],
    async run(lab) {
      const transport = await lab.transport();
      for (let burst = 0; burst < 6; burst += 1) await passBurst(lab, transport);
      const early = await bytesIn(lab.folder);
      for (let burst = 0; burst < 18; burst += 1) await passBurst(lab, transport);
      const late = await bytesIn(lab.folder);
      const bound = early * 1.5 + REMEMBERED_BYTES;
      lab.check.between(late, 0, bound, `bytes of the store after 24 bursts, ${early} after 6`);
    },
  },
];

const BODY_BYTES = 2_000;
/** Space for the ids of 18 bursts, which dedupe keeps for two minutes (rule RQ7): 200 bytes each with indexes. */
const REMEMBERED_BYTES = 18 * 64 * 200;
const encoder = new TextEncoder();

async function fill(lab: Lab, transport: Transport): Promise<number> {
  await transport.queues.configure('work', { maxAttempts: 2, leaseMs: 1_000, maxLength: 77 });
  await lab.send(transport, 'work', [
    ...lab.messages(2, { priority: 2 }),
    ...lab.messages(1, { priority: 8 }, 'urgent'),
  ]);
  await lab.send(transport, 'dying', lab.messages(1));
  const [dying] = await lab.receive(transport, 'dying', 1);
  await transport.queues.settle([{ receipt: dying?.receipt ?? '', action: 'reject', reason: 'broken' }]);
  await transport.topics.bind('copy', 'news.*');
  await publishTexts(lab, transport, 'news.today', 3);
  const put = await transport.kv.put('key', encoder.encode('value'));
  return put.status === 'stored' ? put.revision : 0;
}

async function inspect(lab: Lab, transport: Transport, revision: number): Promise<void> {
  const { check } = lab;
  const { settings } = await queueInfo(transport, 'work');
  check.equal([settings.maxAttempts, settings.leaseMs, settings.maxLength], [2, 1_000, 77], 'settings');
  check.equal(texts(lab, await consume(lab, transport, 'work', 3)), ['urgent0', 'm0', 'm1'], 'messages');
  check.equal(texts(lab, await consume(lab, transport, 'copy', 3)), ['m0', 'm1', 'm2'], 'events in the bound queue');
  const { messages } = await transport.admin.browse('dying', { state: 'dead' });
  check.equal(
    messages.map(({ dead, attempts }) => [dead?.reason, attempts]),
    [['broken', 1]],
    'dead letters',
  );
  const history = await follow(lab, transport, 'news.>', { from: 'start' });
  await history.has(['m0', 'm1', 'm2'], 'history');
  check.equal(await transport.topics.unbind('copy', 'news.*'), undefined, 'unbind');
  const entry = await transport.kv.get('key');
  check.equal([lab.text({ body: entry?.value ?? new Uint8Array() }), entry?.revision], ['value', revision], 'entry');
}

/** Returns the ids acknowledged before the kill. */
async function killWriter(lab: Lab, prefix: string): Promise<readonly string[]> {
  const writer = await lab.process();
  const load = await writer.produce('work', { prefix, batch: 20, bodyBytes: BODY_BYTES });
  await lab.until('the writer is at work', () => load.sent.length >= 40);
  await pause(lab.random() * 20);
  await writer.kill();
  return load.sent;
}

/** Sends and acks two mebibytes. */
async function passBurst(lab: Lab, transport: Transport): Promise<void> {
  const body = new Uint8Array(32_768).fill(7);
  await lab.send(
    transport,
    'burst',
    Array.from({ length: 64 }, () => ({ body })),
  );
  await consume(lab, transport, 'burst', 64);
}
