/** Persistence: acknowledged data survives clients, kills, restarts, damage and full disks. */

import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases, keepsNothing } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { BackgroundLoad } from '../faults/background-load.ts';
import { assertDamageDetected } from '../faults/damage.ts';
import { drainProcess, fillDisk, keepDiskBusy } from '../faults/disk.ts';
import { bytesIn } from '../faults/store-files.ts';
import { moduleOf } from '../processes/remote-client.ts';
import { consume, drain, drainFully, texts } from '../steps/consuming.ts';
import { follow, publishTexts } from '../steps/event-log.ts';
import { queueInfo } from '../steps/queue-view.ts';
import { storedOf } from '../steps/values.ts';

const MEBIBYTE = 1_048_576;

/** The fields of the cases that restart a server. */
const underLoad = {
  harnessFeatures: ['server'],
  timeoutMs: 60_000,
  notApplicable: keepsNothing,
} as const;

const tasks = moduleOf('tasks');

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Persistence' }, [
  {
    id: 'X1',
    title: 'messages, dead letters, settings, bindings, history and keys survive the close of every client',
    rules: ['RD1'],
    harnessFeatures: ['reopen'],
    smoke: true,
    async run(test, before) {
      const revision = await fill(test, before);
      await inspect(test, await test.reopen(), revision);
    },
  },
  {
    id: 'X4',
    title: 'a writer killed during its writes leaves every acknowledged message whole, and no partial one',
    rules: ['RD1', 'RD2'],
    harnessFeatures: ['processes'],
    oneProcessAtATime: true,
    timeoutMs: 40_000,
    async run(test) {
      const acknowledged: string[] = [];
      await test.closeAll();
      for (const round of [0, 1, 2, 3]) acknowledged.push(...(await killWriter(test, `r${round}`)));
      const transport = await test.reopen();
      const got = await drainFully(test, transport, 'work');
      test.check.equal(test.recorder.lost(acknowledged), [], 'acknowledged and lost');
      test.check.equal(test.recorder.duplicates(), [], 'delivered more than once');
      const halves = got.filter((delivery) => test.text(delivery) !== delivery.id.padEnd(BODY_BYTES, '.'));
      test.check.equal(halves, [], 'changed messages');
      await test.send(transport, 'work', test.messages(1));
    },
  },
  {
    id: 'X6',
    title:
      'a truncated or overwritten store is refused with an error or delivers every message: none is skipped silently',
    rules: ['RD1', 'RA1'],
    harnessFeatures: ['files', 'reopen'],
    async run(test, transport) {
      const messages = test.messages(300, {}, 'x'.repeat(200));
      await test.send(transport, 'work', messages);
      const bodies = texts(test, messages);
      await assertDamageDetected(test, 'work', bodies);
    },
  },
  {
    id: 'X7',
    title:
      'a full disk refuses sends with BACKPRESSURE, keeps acknowledged messages, and accepts sends after space is freed',
    rules: ['RD1', 'RQ10'],
    harnessFeatures: ['files', 'processes', 'disk'],
    oneProcessAtATime: true,
    async run(test) {
      const { folder } = test;
      await test.closeAll();
      const client = await test.process({ disk: { folder, bytes: 12 * MEBIBYTE } });
      const ballast = join(folder, 'ballast');
      await client.run(tasks, 'writeFile', { path: ballast, bytes: 3 * MEBIBYTE });
      const { ids, refusals } = await fillDisk(client, test);
      test.check.ok(ids.length > 10, `only ${ids.length} messages were stored before the disk was full`);
      test.check.equal([...refusals], ['BACKPRESSURE'], 'codes of the refusals');
      await client.run(tasks, 'removeFile', ballast);
      test.check.equal(await drainProcess(test, client), ids, 'messages of the full disk');
      const again = await client.send('work', [{ body: new Uint8Array(1_000) }]);
      test.check.equal(again[0]?.status, 'stored', 'a send after space is freed');
    },
  },
  {
    id: 'X15',
    title: 'on a full disk claims and acks go on, and what they free takes further messages',
    rules: ['RD1', 'RQ3', 'RQ10'],
    harnessFeatures: ['files', 'processes', 'disk'],
    oneProcessAtATime: true,
    async run(test) {
      const { folder } = test;
      await test.closeAll();
      const client = await test.process({ disk: { folder, bytes: 8 * MEBIBYTE } });
      const { ids, refusals } = await fillDisk(client, test);
      test.check.equal([...refusals], ['BACKPRESSURE'], 'codes of the refusals');
      await client.run(tasks, 'writeUntilFull', join(folder, 'ballast'));
      test.check.equal(await drainProcess(test, client), ids, 'messages of the full disk');
      await client.run(tasks, 'removeFile', join(folder, 'ballast'));
      const again = await fillDisk(client, test);
      test.check.ok(again.ids.length >= ids.length / 2, `${again.ids.length} of ${ids.length} messages fit again`);
    },
  },
  {
    id: 'X16',
    title:
      'where a file may not grow further, sends are refused, claims and acks go on, and what they free takes messages',
    rules: ['RD1', 'RQ3', 'RQ10'],
    harnessFeatures: ['files', 'processes'],
    oneProcessAtATime: true,
    async run(test) {
      await test.closeAll();
      const client = await test.process({ maxFileBytes: 8 * MEBIBYTE });
      const { ids, refusals } = await fillDisk(client, test);
      test.check.ok(ids.length > 10, `only ${ids.length} messages were stored before the limit`);
      test.check.equal([...refusals], ['BACKPRESSURE'], 'codes of the refusals');
      test.check.equal(await drainProcess(test, client), ids, 'messages at the limit');
      const again = await client.send('work', [{ body: new Uint8Array(1_000) }]);
      test.check.equal(again[0]?.status, 'stored', 'a send after messages are consumed');
    },
  },
  {
    id: 'X8',
    title: 'a read-only store rejects with PERMISSION_DENIED and acknowledges nothing',
    rules: ['RD1', 'RA1'],
    harnessFeatures: ['files', 'processes', 'disk', 'reopen'],
    oneProcessAtATime: true,
    async run(test) {
      await test.send(await test.transport(), 'work', test.messages(3));
      await test.closeAll();
      const attempt = async (): Promise<void> => {
        const client = await test.process({ readOnly: test.folder });
        await client.send('work', [{ id: 'refused', body: new Uint8Array(1) }]);
      };
      await test.check.rejects(attempt, 'PERMISSION_DENIED', 'opening and sending');
      const got = await drain(test, await test.reopen(), 'work');
      test.check.equal(texts(test, got), ['m0', 'm1', 'm2'], 'content of the store');
    },
  },
  {
    id: 'X9',
    title: 'a store with a newer format is refused with CONFLICT and stays unchanged',
    rules: ['RD1', 'RA1'],
    harnessFeatures: ['reopen', 'format'],
    async run(test) {
      await test.send(await test.transport(), 'inbox', test.messages(3));
      await test.closeAll();
      await test.shiftFormat(1);
      for (const attempt of [1, 2]) {
        const error = await test.check.rejects(test.open(), 'CONFLICT', `opening a newer format, attempt ${attempt}`);
        const isExplained = /format/.test(error.message) && error.hint !== undefined;
        test.check.ok(isExplained, `the error explains it: ${error.message}`);
      }
      await test.shiftFormat(-1);
      const got = await consume(test, await test.transport(), 'inbox', 3);
      test.check.equal(texts(test, got), ['m0', 'm1', 'm2'], 'messages of the unchanged store');
    },
  },
  {
    id: 'X10',
    title: 'acked messages free their storage: the store stays as large as one burst',
    rules: ['RQ6', 'RT6'],
    harnessFeatures: ['files'],
    async run(test, transport) {
      for (let burst = 0; burst < 6; burst += 1) await passBurst(test, transport);
      const early = await bytesIn(test.folder);
      for (let burst = 0; burst < 18; burst += 1) await passBurst(test, transport);
      const late = await bytesIn(test.folder);
      const bound = early * 1.5 + REMEMBERED_BYTES;
      test.check.between(late, 0, bound, `bytes of the store after 24 bursts, ${early} after 6`);
    },
  },
  {
    id: 'X2',
    title: 'an orderly restart of the server under load loses no acknowledged message',
    rules: ['RD1', 'RA2', 'RQ1'],
    ...underLoad,
    async run(test) {
      const load = new BackgroundLoad(test);
      await load.start();
      await test.server.stop();
      await test.server.start();
      await load.recovers();
      await load.finish();
    },
  },
  {
    id: 'X3',
    title: 'killing the server under load, with a busy disk, loses no acknowledged message',
    rules: ['RD1', 'RA2', 'RQ1', 'RD2'],
    ...underLoad,
    async run(test) {
      await keepDiskBusy(test);
      const load = new BackgroundLoad(test);
      await load.start();
      let lastKill = 0;
      for (let kill = 0; kill < 2; kill += 1) {
        lastKill = await killAndStart(test);
        await load.recovers();
      }
      await load.finish(lastKill);
    },
  },
]);

const BODY_BYTES = 2_000;
/** Space for the ids of 18 bursts, which dedupe keeps for two minutes (rule RQ7): 200 bytes each with indexes. */
const REMEMBERED_BYTES = 18 * 64 * 200;
const encoder = new TextEncoder();

async function fill(test: TestContext, transport: Transport): Promise<number> {
  await transport.queues.configure('work', { maxAttempts: 2, leaseMs: 1_000, maxLength: 77 });
  await test.send(transport, 'work', [
    ...test.messages(2, { priority: 2 }),
    ...test.messages(1, { priority: 8 }, 'urgent'),
  ]);
  await test.send(transport, 'dying', test.messages(1));
  const [dying] = await test.receive(transport, 'dying', 1);
  await transport.queues.settle([{ receipt: dying?.receipt ?? '', action: 'reject', reason: 'broken' }]);
  await transport.topics.bind('copy', 'news.*');
  await publishTexts(test, transport, 'news.today', 3);
  return storedOf(test, await transport.kv.put('key', encoder.encode('value'))).revision;
}

async function inspect(test: TestContext, transport: Transport, revision: number): Promise<void> {
  const { check } = test;
  const { settings } = await queueInfo(transport, 'work');
  check.equal([settings.maxAttempts, settings.leaseMs, settings.maxLength], [2, 1_000, 77], 'settings');
  check.equal(texts(test, await consume(test, transport, 'work', 3)), ['urgent0', 'm0', 'm1'], 'messages');
  check.equal(texts(test, await consume(test, transport, 'copy', 3)), ['m0', 'm1', 'm2'], 'events in the bound queue');
  const { messages } = await transport.admin.browse('dying', { state: 'dead' });
  check.mapped(messages, ({ dead, attempts }) => [dead?.reason, attempts], [['broken', 1]], 'dead letters');
  const history = await follow(test, transport, 'news.>', { from: 'start' });
  await history.has(['m0', 'm1', 'm2'], 'history');
  check.equal(await transport.topics.unbind('copy', 'news.*'), undefined, 'unbind');
  const entry = await transport.kv.get('key');
  check.equal([test.text({ body: entry?.value ?? new Uint8Array() }), entry?.revision], ['value', revision], 'entry');
}

/** Returns the ids acknowledged before the kill. */
async function killWriter(test: TestContext, prefix: string): Promise<readonly string[]> {
  const writer = await test.process();
  const load = await writer.produce('work', { prefix, batch: 20, bodyBytes: BODY_BYTES });
  await test.until('the writer is sending', () => load.sent.length >= 40);
  await pause(test.random() * 20);
  await writer.kill();
  return load.sent;
}

/** Sends and acks two mebibytes. */
async function passBurst(test: TestContext, transport: Transport): Promise<void> {
  const body = new Uint8Array(32_768).fill(7);
  await test.send(transport, 'burst', Array(64).fill({ body }));
  await consume(test, transport, 'burst', 64);
}

async function killAndStart({ server, random }: TestContext): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, random() * 20));
  const at = performance.now();
  await server.kill();
  await server.start();
  return at;
}
