/** Persistence: a store that loses its data while clients are open. Live clients go on over what is there. */

import type { BusbarError, Lock } from '@busbar/api';
import type { StoreReset, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases, keepsNothing } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { waitEverywhere } from '../faults/pending-waits.ts';
import { assertRising } from '../steps/consuming.ts';
import { storedOf } from '../steps/values.ts';

/** How long clients may take to notice the loss and to go on. */
const NOTICE_MS = 20_000;
/** Its first renewal, after a third, is too late to notice a loss. */
const LOCK_MS = 180_000;

const shared = { group: 'Persistence', harnessFeatures: ['loss'], timeoutMs: 90_000 } as const;

export const cases: readonly ConformanceCase[] = defineCases(shared, [
  {
    id: 'X12',
    title: 'after the store came back empty each client learns it once, without a call, and its waits go on',
    rules: ['RA2', 'RT1', 'RE2'],
    async run(test) {
      const [waiter, sender] = [await test.open(), await test.transport()];
      await sender.queues.configure('inbox');
      const waiting = await waitEverywhere(test, waiter);
      await waiting.assertWake(sender, 'before');
      const before = storedOf(test, await sender.kv.put('gone/key', Uint8Array.of(1)));
      const deleted = watchForDeletion(test, waiter, 'gone/key');
      await deleted.present;
      const resets = resetsOf(waiter);
      await test.loss.lose('nothing');
      await test.until('the waiting client learns of the loss', () => resets.length > 0, NOTICE_MS);
      await test.until('its watch sees that the key is gone', () => deleted.isSeen(), NOTICE_MS);
      const after = storedOf(test, await sender.kv.put('gone/key', Uint8Array.of(1), { ifRevision: 0 }));
      assertRising(test, [before.createRevision, after.createRevision], 'tokens across the loss');
      await waiter.topics.bind('bound', 'news.*');
      await waiting.assertWake(sender, 'after');
      test.check.equal(resets, ['replaced'], 'resets of the waiting client');
      const found = await sender.admin.queues({ names: ['inbox'] });
      test.check.equal(found[0]?.totals.sent, 1, 'messages sent to the inbox of the new store');
    },
  },
  {
    id: 'X13',
    title: 'after the store came back empty a live bus declares again what it owns, and says once what happened',
    rules: ['RA2', 'RE1', 'RE2'],
    async run(test) {
      const errors: BusbarError[] = [];
      const bus = await test.bus({ onError: ({ error }) => void errors.push(error), presenceTtlMs: 60_000 });
      const [mail, events, tasks]: [unknown[], unknown[], unknown[]] = [[], [], []];
      const agent = await bus.agent('@worker');
      agent.handle('note', ({ body }) => void mail.push(body));
      agent.handle('echo', ({ body }) => body);
      await bus.subscribe('news.*', ({ body }) => void events.push(body), { durableName: 'reader' });
      await bus.process('jobs', ({ body }) => void tasks.push(body), { leaseMs: 5_000 });
      const lock = await bus.lock('door', { leaseMs: LOCK_MS });
      await test.loss.lose('nothing');
      await test.until('the bus reports the loss', () => codesOf(errors).includes('DATA_LOSS'), NOTICE_MS);
      await test.until('the holder learns that its lock is gone', () => lock.lost, NOTICE_MS);
      const other = await test.bus();
      await test.until(
        'the agent is online',
        async () => (await other.agents({ online: true })).length === 1,
        NOTICE_MS,
      );
      await untilDeclared(test, other);
      await other.send('@worker', 'note', 'mail');
      await other.publish('news.today', 'event');
      await other.enqueue('jobs', 'task');
      test.check.equal(await other.request('@worker', 'echo', 'call'), 'call', 'the response of the agent');
      await test.until(
        'mail, events and tasks arrive',
        () => mail.length * events.length * tasks.length > 0,
        NOTICE_MS,
      );
      test.check.equal([mail, events, tasks], [['mail'], ['event'], ['task']], 'what was handled');
      const [jobs] = await other.transport.admin.queues({ names: ['jobs'] });
      test.check.equal(jobs?.settings.leaseMs, 5_000, 'the lease of the declared queue');
      test.check.equal(codesOf(errors).filter((code) => code === 'DATA_LOSS').length, 1, 'reports of the loss');
    },
  },
  {
    id: 'X14',
    title:
      'after the store fell back to an earlier state tokens rise, holders learn of their loss, and watches show what is there',
    rules: ['RE1', 'RE2', 'RA2'],
    notApplicable: keepsNothing,
    async run(test) {
      const [holder, rival, watcher] = [await test.bus(), await test.bus(), await test.open()];
      await watcher.kv.put('watched/key', Buffer.from('saved'));
      await test.loss.save?.();
      const values = watchValues(test, watcher, 'watched/key');
      await watcher.kv.put('watched/key', Buffer.from('lost'));
      await test.until('the watch sees the later value', () => values.at(-1) === 'lost');
      const resets = resetsOf(watcher);
      const lost = await holder.lock('door', { leaseMs: LOCK_MS });
      await test.loss.lose('saved');
      const next = await rival.lock('door', { leaseMs: 60_000, waitMs: NOTICE_MS });
      test.check.ok(next.token > lost.token, `the token of the next holder: ${next.token} after ${lost.token}`);
      await test.until('the earlier holder learns of its loss', () => lost.lost, NOTICE_MS);
      await lost.release().catch(() => undefined);
      test.check.ok(
        await isHeld(rival.transport, next),
        'the lock of the next holder after the release of the earlier',
      );
      await test.until('the watch shows the restored value', () => values.at(-1) === 'saved', NOTICE_MS);
      await rival.transport.kv.put('watched/key', Buffer.from('new'));
      await test.until('the watch shows the next value', () => values.at(-1) === 'new', NOTICE_MS);
      test.check.equal(resets.length, 1, `resets: ${resets}`);
    },
  },
]);

function resetsOf(transport: Transport): StoreReset['cause'][] {
  const resets: StoreReset['cause'][] = [];
  transport.onReset(({ cause }) => void resets.push(cause));
  return resets;
}

function codesOf(errors: readonly BusbarError[]): readonly string[] {
  return errors.map(({ code }) => code);
}

/** Resolves when the queues that the bus of X13 owns exist again. */
async function untilDeclared(test: TestContext, { transport }: { readonly transport: Transport }): Promise<void> {
  const names = ['$inbox.@worker', '$sub.reader', 'jobs'];
  const isThere = async (): Promise<boolean> => (await transport.admin.queues({ names })).length === names.length;
  await test.until('inbox, subscription and queue exist', isThere, NOTICE_MS);
}

function watchForDeletion(
  test: TestContext,
  { kv }: Transport,
  key: string,
): { readonly present: Promise<void>; isSeen(): boolean } {
  let isSeen = false;
  const { promise: present, resolve } = Promise.withResolvers<void>();
  void kv
    .watch(key, (changes) => {
      for (const change of changes) {
        if (change.kind === 'synced') resolve();
        else isSeen = change.kind !== 'put';
      }
    })
    .then((watch) => test.defer(() => watch.close()));
  return { present, isSeen: () => isSeen };
}

/** The values of a key that a watch shows, in order; undefined when it is gone. */
function watchValues(test: TestContext, { kv }: Transport, key: string): (string | undefined)[] {
  const values: (string | undefined)[] = [];
  void kv
    .watch(key, (changes) => {
      for (const change of changes) {
        if (change.kind === 'put') values.push(test.text({ body: change.entry.value }));
        else if (change.kind !== 'synced') values.push(undefined);
      }
    })
    .then((watch) => test.defer(() => watch.close()));
  return values;
}

async function isHeld({ kv }: Transport, lock: Lock): Promise<boolean> {
  return (await kv.get(`$lock/${lock.name}`))?.createRevision === lock.token;
}
