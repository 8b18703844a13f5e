/** State transfer: the gate of a store, its states, revisions and time to live. */

import type { SetGateOptions, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases, keepsNothing } from '../case.ts';
import { assertAllRefused, tried, unchecked } from '../inputs/bad-inputs.ts';
import { receiveOne, texts } from '../steps/consuming.ts';
import { assertClosed, assertGateRefused, openGate, setGate } from '../steps/gate.ts';
import { assertCounts } from '../steps/queue-view.ts';
import { exportAll } from '../steps/state-transfer.ts';

const shared = { group: 'State transfer', needs: ['gate'], refused: assertGateRefused } as const;
/** Long enough for a machine under load. */
const LONG_MS = 60_000;

export const cases: readonly ConformanceCase[] = defineCases(shared, [
  {
    id: 'J18',
    title: 'the gate changes by compare and set, and every client sees it',
    rules: ['RA8'],
    smoke: true,
    async run(test, { admin }) {
      const other = (await test.open()).admin;
      const first = await admin.gate();
      test.check.equal(
        first,
        { state: 'open', revision: first.revision, movedTo: undefined, ttlLeftMs: undefined },
        'gate',
      );
      const draining = await setGate(test, await test.transport(), 'draining', { ttlMs: LONG_MS });
      test.check.equal([draining.state, draining.revision], ['draining', first.revision + 1], 'draining');
      test.check.between(draining.ttlLeftMs ?? 0, LONG_MS / 2, LONG_MS, 'time of the state');
      const closed = await other.setGate('closed', { ifRevision: draining.revision, ttlMs: LONG_MS });
      test.check.equal((await admin.gate()).state, 'closed', 'the gate as the first client sees it');
      const renewed = await admin.setGate('closed', { ifRevision: closed.revision, ttlMs: LONG_MS / 4 });
      test.check.equal(renewed.revision, closed.revision, 'the revision after a renewal');
      test.check.between(renewed.ttlLeftMs ?? 0, 1, LONG_MS / 4, 'the time after a renewal');
      const movedTo = 'sqlite:./new.db';
      const moved = await admin.setGate('moved', { ifRevision: renewed.revision, movedTo });
      test.check.equal(
        moved,
        { state: 'moved', revision: closed.revision + 1, movedTo, ttlLeftMs: undefined },
        'moved',
      );
      test.check.equal(await other.gate(), moved, 'the gate as the other client sees it');
      await openGate(test);
      const last = await other.gate();
      test.check.equal([last.state, last.revision, last.movedTo], ['open', moved.revision + 2, undefined], 'opened');
    },
  },
  {
    id: 'J19',
    title: 'of two movers at once one changes the gate, and the other is refused',
    rules: ['RA8'],
    async run(test, transport) {
      const movers = [transport, await test.open(), await test.open()];
      for (const state of ['closed', 'open', 'draining', 'closed'] as const) {
        const { revision } = await transport.admin.gate();
        test.defer(() => openGate(test));
        const tries = await Promise.allSettled(
          movers.map(({ admin }) => admin.setGate(state, { ifRevision: revision })),
        );
        const refused = tries.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []));
        const present = await transport.admin.gate();
        test.check.equal([present.state, present.revision], [state, revision + 1], 'the gate');
        test.check.equal(refused, ['CONFLICT', 'CONFLICT'], `refused movers to ${state}`);
      }
    },
  },
  {
    id: 'J20',
    title: 'a gate refuses changes that are out of order and bad input, and they have no effect',
    rules: ['RA8', 'RA6'],
    async run(test, transport) {
      const set = (state: unknown, options: unknown) => (client: Transport) =>
        client.admin.setGate(unchecked(state), unchecked(options));
      const { revision: ifRevision } = await transport.admin.gate();
      await assertAllRefused(test, transport, [
        ...tried('state', [undefined, null, 'shut', 5, ''], ({ admin }, state) => admin.setGate(state, { ifRevision })),
        ...tried('ifRevision', [undefined, null, -1, 0.5, '0'], ({ admin }, value) =>
          admin.setGate('closed', { ifRevision: value }),
        ),
        ...tried('ttlMs', [99, 60_001, Number.POSITIVE_INFINITY, '100'], ({ admin }, ttlMs) =>
          admin.setGate('closed', { ifRevision, ttlMs }),
        ),
        ...tried('movedTo', ['', 'x'.repeat(1_025), 'a\nb', 5], ({ admin }, movedTo) =>
          admin.setGate('moved', { ifRevision, movedTo }),
        ),
        ...tried('gateRevision', [-1, 'x', null], ({ admin }, gateRevision) => admin.clear({ gateRevision })),
        { what: 'no options', call: set('closed', undefined) },
        { what: 'an unknown option', call: set('closed', { ifRevision, force: true }) },
        { what: 'moved without a place', call: set('moved', { ifRevision }) },
        { what: 'closed with a place', call: set('closed', { ifRevision, movedTo: 'x' }) },
        { what: 'open with a time', call: set('open', { ifRevision, ttlMs: 1_000 }) },
        { what: 'open to moved', code: 'CONFLICT', call: set('moved', { ifRevision, movedTo: 'x' }) },
        { what: 'another revision', code: 'CONFLICT', call: set('closed', { ifRevision: ifRevision + 1 }) },
      ]);
      test.check.equal((await transport.admin.gate()).revision, ifRevision, 'the revision');
      const at = async (state: 'draining' | 'closed' | 'moved', movedTo?: string): Promise<SetGateOptions> => {
        const { revision } = await setGate(test, transport, state, { movedTo });
        return { ifRevision: revision };
      };
      const draining = await at('draining');
      const fromDraining = { ...draining, movedTo: 'x' };
      await assertAllRefused(test, transport, [
        { what: 'draining to moved', code: 'CONFLICT', call: set('moved', fromDraining) },
      ]);
      const closed = await at('closed');
      await assertAllRefused(test, transport, [
        { what: 'closed to draining', code: 'CONFLICT', call: set('draining', closed) },
      ]);
      const moved = await at('moved', 'x');
      await assertAllRefused(test, transport, [
        { what: 'moved to open', code: 'CONFLICT', call: set('open', moved) },
        { what: 'moved to draining', code: 'CONFLICT', call: set('draining', moved) },
      ]);
    },
  },
  {
    id: 'J21',
    title: 'without a renewal a gate falls back, and the mover that comes too late is refused',
    rules: ['RA8'],
    async run(test, transport) {
      const { admin } = transport;
      for (const state of ['draining', 'closed'] as const) {
        const set = await setGate(test, transport, state, { ttlMs: 600 });
        for (let round = 0; round < 4; round += 1) {
          const renewAt = performance.now() + 250;
          await test.until('a part of the time', () => performance.now() > renewAt);
          const renewed = await admin.setGate(state, { ifRevision: set.revision, ttlMs: 600 });
          test.check.equal(renewed.revision, set.revision, `revision after renewal ${round} of ${state}`);
        }
        await test.until(`${state} to fall back`, async () => (await admin.gate()).state === 'open');
        test.check.equal((await admin.gate()).revision, set.revision + 1, 'the revision after it fell back');
        for (const next of [state, 'closed', 'open'] as const) {
          const late = admin.setGate(next, { ifRevision: set.revision });
          await test.check.rejects(late, 'CONFLICT', `the late mover from ${state} to ${next}`);
        }
        await test.send(transport, 'inbox', test.messages(1));
        await test.ack(transport, [await receiveOne(test, transport, 'inbox')]);
      }
    },
  },
  {
    id: 'J22',
    title: 'a moved store stays closed, says where the bus is, and falls back to that when a move back to it ends',
    rules: ['RA8'],
    async run(test, transport) {
      await test.send(transport, 'inbox', test.messages(1));
      await setGate(test, transport, 'closed', { ttlMs: 300 });
      const moved = await setGate(test, transport, 'moved', { movedTo: 'redis://elsewhere' });
      const over = performance.now() + 600;
      await test.until('the time of the closed gate', () => performance.now() > over);
      test.check.equal(await transport.admin.gate(), moved, 'the gate after that time');
      const assertMoved = async (client: Transport): Promise<void> => {
        const refused = client.queues.send('inbox', test.messages(1));
        const error = await test.check.rejects(refused, 'CONFLICT', 'a send to a moved store');
        test.check.ok(error.message.includes('redis://elsewhere'), `it says where the bus is: ${error.message}`);
        test.check.ok(/MESSAGE_BUS/.test(error.hint ?? ''), `it says what to do: ${error.hint}`);
        test.check.equal(error.retryable, false, 'retryable');
      };
      await assertMoved(transport);
      await assertMoved(await test.open());
      const again = await setGate(test, transport, 'closed', { ttlMs: 300 });
      test.check.equal(again.movedTo, 'redis://elsewhere', 'where the bus is, while it is moved back');
      await test.until('the move back to end', async () => (await transport.admin.gate()).state !== 'closed');
      const back = await transport.admin.gate();
      test.check.equal([back.state, back.revision], ['moved', moved.revision + 2], 'the gate without its mover');
      await assertMoved(transport);
      await assertCounts(test, transport, 'inbox', { ready: 1 });
    },
  },
  {
    id: 'J23',
    title:
      'while the gate is draining nothing is claimed and all else goes on; a receive that waits then gets its message',
    rules: ['RA8', 'RQ1'],
    async run(test, transport) {
      const other = await test.open();
      await test.send(transport, 'inbox', test.messages(2));
      const [held] = await test.receive(transport, 'inbox', 1);
      const waiting = other.queues.receive('waiting', { waitMs: 20_000 });
      await setGate(test, other, 'draining', { ttlMs: LONG_MS });
      await test.nothing(transport, 'inbox', 50);
      await test.nothing(other, 'inbox', 0);
      await test.ack(transport, held === undefined ? [] : [held]);
      await test.send(transport, 'waiting', test.messages(1, {}, 'w'));
      await transport.kv.put('key', Uint8Array.of(1), { ttlMs: 60_000 });
      const [event] = await transport.topics.publish('news', test.messages(1));
      test.check.equal(event?.status, 'stored', 'an event');
      await assertCounts(test, transport, 'inbox', { ready: 1, leased: 0 });
      await assertCounts(test, transport, 'waiting', { ready: 1, leased: 0 });
      await openGate(test);
      test.check.equal(texts(test, await waiting), ['w0'], 'the receive that waits');
      await test.receive(transport, 'inbox', 1);
    },
  },
  {
    id: 'J24',
    title: 'a closed store takes only imports and clears at the revision of its gate',
    rules: ['RA8', 'RA7'],
    needs: ['gate', 'exportState'],
    async run(test, transport) {
      const { admin, kv } = transport;
      await test.send(transport, 'inbox', test.messages(3));
      await kv.put('key', Uint8Array.of(1));
      const records = await exportAll(transport);
      const { revision } = await setGate(test, transport, 'closed', { ttlMs: LONG_MS });
      await assertClosed(test, admin.importState(records), 'an import without a revision');
      await assertClosed(test, admin.clear(), 'a clear without a revision');
      for (const gateRevision of [revision - 1, revision + 1]) {
        await test.check.rejects(admin.clear({ gateRevision }), 'CONFLICT', 'a clear at another revision');
        await test.check.rejects(
          admin.importState(records, { gateRevision }),
          'CONFLICT',
          'an import at another revision',
        );
      }
      await assertCounts(test, transport, 'inbox', { ready: 3 });
      await admin.clear({ gateRevision: revision });
      test.check.equal(await admin.queues(), [], 'queues of the cleared store');
      test.check.equal((await admin.gate()).revision, revision, 'the revision of the gate after the clear');
      const added = await admin.importState(records, { gateRevision: revision });
      test.check.between(added, 5, records.length, 'new records');
      await assertClosed(test, transport.queues.send('inbox', test.messages(1)), 'a send');
      await openGate(test);
      await test.check.rejects(admin.importState(records, { gateRevision: revision }), 'CONFLICT', 'a late import');
      await test.receive(transport, 'inbox', 3);
    },
  },
  {
    id: 'J33',
    title: 'a gate outlives all clients, and its time goes on meanwhile',
    rules: ['RA8', 'RD1'],
    harnessFeatures: ['reopen'],
    notApplicable: keepsNothing,
    async run(test, transport) {
      await test.send(transport, 'inbox', test.messages(1, { ttlMs: 60_000 }));
      const closed = await setGate(test, transport, 'closed', { ttlMs: LONG_MS });
      const after = await test.reopen();
      const present = await after.admin.gate();
      test.check.equal(
        [present.state, present.revision],
        ['closed', closed.revision],
        'the gate after all clients were closed',
      );
      await assertClosed(test, after.queues.send('inbox', test.messages(1)), 'a send');
      const moved = await after.admin.setGate('moved', { ifRevision: closed.revision, movedTo: 'elsewhere' });
      const last = await test.reopen();
      test.check.equal(await last.admin.gate(), moved, 'the gate of a moved store');
      await last.admin.setGate('closed', { ifRevision: moved.revision, ttlMs: 400 });
      const over = performance.now() + 800;
      await test.closeAll();
      await test.until('the time of the gate', () => performance.now() > over);
      const back = await (await test.transport()).admin.gate();
      test.check.equal([back.state, back.movedTo], ['moved', 'elsewhere'], 'the gate whose mover was gone');
      await openGate(test);
      await test.receive(await test.transport(), 'inbox', 1);
    },
  },
  {
    id: 'J34',
    title: 'the gate of one namespace leaves the others alone: their work, leases and times to live go on',
    rules: ['RA8', 'RA4'],
    harnessFeatures: ['options'],
    async run(test, transport) {
      const other = await test.openWith({ ns: `other-${crypto.randomUUID().slice(0, 8)}` });
      test.defer(() => other.admin.clear());
      for (const client of [other, transport]) {
        for (const queue of ['inbox', 'short', 'later']) await client.queues.configure(queue, { leaseMs: 400 });
        await test.send(client, 'inbox', test.messages(1));
        await test.receive(client, 'inbox', 1);
        await Promise.all([
          test.send(client, 'short', test.messages(1, { ttlMs: 400 })),
          test.send(client, 'later', test.messages(1, { delayMs: 400 })),
          client.kv.put('short', Uint8Array.of(1), { ttlMs: 400 }),
        ]);
      }
      await setGate(test, transport, 'closed', { ttlMs: LONG_MS });
      const waiting = other.queues.receive('later', { waitMs: 10_000 });
      test.check.equal(texts(test, await waiting), ['m0'], 'the delayed message of the other namespace');
      const again = await receiveOne(test, other, 'inbox');
      test.check.equal(again.attempt, 2, 'the attempt after a lease of the other namespace');
      await assertCounts(test, other, 'short', { ready: 0 });
      // Its time ends after those of all entries above. A watch sees it when the store deletes it.
      await other.kv.put('last', Uint8Array.of(1), { ttlMs: 400 });
      const expired: string[] = [];
      const watch = await other.kv.watch('', (changes) => {
        for (const change of changes) if (change.kind === 'expired') expired.push(change.key);
      });
      await test.until('the last entry of the other namespace to expire', () => expired.includes('last'));
      await watch.close();
      test.check.equal(await other.kv.get('short'), undefined, 'the first entry of the other namespace');
      test.check.ok((await transport.kv.get('short')) !== undefined, 'the entry of the closed namespace');
      await assertCounts(test, transport, 'short', { ready: 1 });
      await assertCounts(test, transport, 'later', { delayed: 1 });
      await openGate(test);
      await receiveOne(test, transport, 'later');
    },
  },
]);
