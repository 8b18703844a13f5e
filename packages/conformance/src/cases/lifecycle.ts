/** Lifecycle: opening, idling and capabilities. */

import type { Capabilities, StateChange, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import { checkLeaks } from '../context/leak-check.ts';
import type { TestContext } from '../context/test-context.ts';
import { within } from '../context/until.ts';
import { collect } from '../inputs/operations.ts';
import { leaveWorkOpen } from '../processes/programs/leave-open.ts';
import type { waitInTurn } from '../processes/programs/wait-alone.ts';
import { moduleOf, type RemoteClient } from '../processes/remote-client.ts';
import { assertDeliveredOnce, consume, fieldsOf, receiveOne, waitUntil } from '../steps/consuming.ts';
import { follow, publish } from '../steps/event-log.ts';
import { assertCounts } from '../steps/queue-view.ts';

/** URLs of the modules of {@link leaveWorkOpen} and {@link waitInTurn}, for other processes. */
const leaveOpenModule = moduleOf('leave-open');
const waitAloneModule = moduleOf('wait-alone');

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Lifecycle' }, [
  {
    id: 'F1',
    title: 'clients of one store are independent; a second close has no effect, and the close is reported once',
    rules: ['RA3'],
    smoke: true,
    async run(test) {
      const [stays, leaves] = [await test.transport(), await test.open()];
      const changes: StateChange[] = [];
      leaves.onState((change) => changes.push(change));
      test.check.equal([stays.state, leaves.state], ['open', 'open'], 'states of open clients');
      test.check.equal(stays.name, leaves.name, 'names of both');
      const [first, second] = [leaves.close(), leaves.close({ drainMs: 5 })];
      test.check.equal(first === second, true, 'a second close returns the promise of the first');
      test.check.equal(leaves.state, 'closing', 'state after the call of close');
      await Promise.all([first, second, leaves[Symbol.asyncDispose]()]);
      await leaves.close();
      test.check.equal(leaves.state, 'closed', 'state afterwards');
      test.check.equal(fieldsOf(changes, 'state'), ['closing', 'closed'], 'reported changes');
      test.check.equal(stays.state, 'open', 'state of the other client');
      await test.send(stays, 'inbox', test.messages(2));
      await consume(test, stays, 'inbox', 2);
    },
  },
  {
    id: 'F3',
    title: 'a transport is open as soon as its open resolves, also when many open at once',
    rules: ['RA3', 'RQ4'],
    async run(test) {
      const begin = async (index: number): Promise<string | undefined> => {
        const client = await test.open();
        const sent = client.queues.send('inbox', test.messages(2, { id: `first-${index}` }));
        test.check.equal(client.state, 'open', 'state after open');
        const [stored, duplicate] = await sent;
        test.check.equal([stored?.status, duplicate?.status], ['stored', 'duplicate'], 'its first send');
        return stored?.id;
      };
      const ids = await Promise.all(Array.from({ length: 8 }, (_, index) => begin(index)));
      await consume(test, await test.transport(), 'inbox', 8);
      assertDeliveredOnce(
        test,
        ids.map((id) => id ?? 'none'),
      );
    },
  },
  {
    id: 'F4',
    title: 'a reopened store has all its data, and work resumes where it stopped',
    rules: ['RD1', 'RT3', 'RQ2'],
    async run(test, stays) {
      await stays.queues.configure('inbox', { leaseMs: 60_000, maxAttempts: 7 });
      let position: string | undefined;
      for (let round = 0; round < 5; round += 1) {
        const client = await test.open();
        const from = position === undefined ? 'start' : { after: position };
        const log = await follow(test, client, 'news', { from });
        await publish(test, client, 'news', test.messages(2, {}, `${round}.`));
        await log.has([`${round}.0`, `${round}.1`], 'events of one round');
        await test.send(client, 'inbox', test.messages(2, {}, `${round}.`));
        const [oldest] = await test.receive(client, 'inbox', 1);
        const found = oldest && [test.text(oldest), oldest.attempt];
        test.check.equal(found, [`${Math.floor(round / 2)}.${round % 2}`, 1], 'the oldest');
        if (oldest) await test.ack(client, [oldest]);
        await log.subscription.close();
        position = log.subscription.position;
        await client.close();
      }
      const [info] = await stays.admin.queues({ names: ['inbox'] });
      test.check.equal([info?.settings.leaseMs, info?.settings.maxAttempts, info?.ready], [60_000, 7, 5], 'the queue');
    },
  },
  {
    id: 'F10',
    title: 'an idle client, subscription and watch close at once',
    rules: ['RA3'],
    async run(test) {
      const began = performance.now();
      const unused = await test.open();
      await unused.close();
      const client = await test.open();
      const subscription = await client.topics.subscribe('news', {}, () => test.check.fail('nothing was published'));
      await Promise.all([subscription.close(), subscription.close()]);
      test.check.equal([await subscription.ended, subscription.dropped], [undefined, 0], 'end of the subscription');
      const watch = await client.kv.watch('', () => undefined);
      await Promise.all([watch.close(), watch[Symbol.asyncDispose]()]);
      test.check.equal(await watch.ended, undefined, 'end of the watch');
      const opening = client.topics.subscribe('news', {}, () => undefined).catch(() => undefined);
      await client.close();
      const late = await opening;
      test.check.equal(await late?.ended, undefined, 'end of a subscription while opening');
      test.check.between(performance.now() - began, 0, 5_000, 'closing them took');
    },
  },
  {
    id: 'F11',
    title: 'nothing is leased or delivered without a request',
    rules: ['RQ2', 'RQ8', 'RT1'],
    async run(test) {
      const [sender, idle] = [await test.transport(), await test.open()];
      await idle.topics.bind('bound', 'news');
      await idle.queues.configure('inbox', { leaseMs: 100, maxAttempts: 1 });
      await test.send(sender, 'inbox', test.messages(3));
      await publish(test, sender, 'news', test.messages(2));
      await waitUntil(test, performance.now() + test.beyond(250));
      await assertCounts(test, sender, 'inbox', { ready: 3, leased: 0, dead: 0 });
      await assertCounts(test, sender, 'bound', { ready: 2, leased: 0, dead: 0 });
      const { messages } = await sender.admin.browse('inbox');
      test.check.equal(fieldsOf(messages, 'attempts'), [0, 0, 0], 'attempts before any receive');
      test.check.equal((await receiveOne(test, idle, 'inbox')).attempt, 1, 'the first attempt');
    },
  },
  {
    id: 'F13',
    title: 'after closing in the middle of work no timer, socket or file remains, and the process exits by itself',
    rules: ['RA3'],
    // The case counts the timers of this process.
    load: 'alone',
    smoke: true,
    async run(test) {
      if (test.harnessFeatures.has('processes')) await endsByItself(test);
      await checkLeaks(
        async () => {
          await leaveWorkOpen(await test.open());
          await test.closeAll();
        },
        async (leftovers) => {
          const deadline = performance.now() + 2_000;
          await test.until('the end', () => leftovers().length === 0 || performance.now() > deadline);
          test.check.equal(leftovers(), [], 'leaked resources');
        },
      );
    },
  },
  {
    id: 'F14',
    title: 'capabilities are complete, plausible, frozen, and the same for every client',
    rules: ['RA1'],
    async run(test) {
      const [one, other] = [await test.transport(), await test.open()];
      plausible(test, one.capabilities);
      test.check.equal(other.capabilities, one.capabilities, 'capabilities of another client');
      test.check.ok(/^[a-z][a-z0-9+-]*$/.test(one.name), `a name such as sqlite: ${one.name}`);
      const before = structuredClone(one.capabilities);
      for (const part of [one.capabilities, ...Object.values(one.capabilities)]) {
        if (typeof part === 'object') test.check.ok(Object.isFrozen(part), 'every part is frozen');
      }
      test.check.ok(!Reflect.set(one.capabilities.features, 'cancel', !before.features.cancel), 'a change is refused');
      await useALittle(test, other);
      await other.close();
      test.check.equal(other.capabilities, before, 'capabilities after close');
    },
  },
  {
    id: 'F15',
    title: 'a process whose client is idle and not closed ends by itself, and what was acknowledged is in the store',
    rules: ['RA9', 'RD1'],
    needs: ['idleExit'],
    harnessFeatures: ['processes'],
    timeoutMs: 60_000,
    smoke: true,
    async run(test, transport) {
      const client = await test.process();
      test.check.equal(
        await client.run<string>(waitAloneModule, 'rest'),
        'rest',
        'the other process has done its work',
      );
      await client.leave();
      await endsWell(test, client);
      // A message is leased to the process that has ended.
      await assertCounts(test, transport, 'kept', { ready: 1, leased: 1, delayed: 1 });
      test.check.ok(await transport.kv.get('kept'), 'the key that was put');
    },
    async refused(test) {
      test.check.ok(test.capabilities.reasons.idleExit, 'the reason of `idleExit`');
    },
  },
  {
    id: 'F16',
    title: 'a receive, a subscription, a watch or a service alone keeps its process alive until it ends',
    rules: ['RA9', 'RQ8', 'RT1'],
    harnessFeatures: ['processes'],
    timeoutMs: 60_000,
    async run(test, transport) {
      const { queues, topics, kv, calls } = transport;
      const body = Uint8Array.of(1);
      const client = await test.process();
      await client.run(waitAloneModule, 'waitInTurn');
      await client.leave();
      await queues.send('turn', [{ body }]);
      const turn = async (what: string, next: () => Promise<unknown>): Promise<void> => {
        const [said] = await consume(test, transport, 'turns', 1);
        test.check.equal(said?.headers['what'], what, 'what the process waits for now');
        await next();
      };
      await turn('event', () => topics.publish('turn', [{ body }]));
      await turn('key', () => kv.put('turn', body));
      if (calls === undefined) await turn('nothing', async () => undefined);
      else await turn('call', () => collect(calls.call('turn', { body })));
      if (test.capabilities.features.idleExit) await endsWell(test, client);
    },
  },
]);

/** Asserts that a process ends by itself. */
async function endsWell(test: TestContext, client: RemoteClient): Promise<void> {
  test.check.equal(await within(30_000, 'the process did not end by itself', client.ended), 0, 'its exit code');
}

/** Asserts that a process exits by itself after its client is closed. */
async function endsByItself(test: TestContext): Promise<void> {
  await test.send(await test.transport(), 'inbox', test.messages(10));
  for (const what of ['leaveWorkOpen', 'leaveNothing'] as const) {
    const client = await test.process();
    test.check.equal(await client.run<string>(leaveOpenModule, what), what, 'the other process has left its work open');
    const end = client.close();
    const code = await within(10_000, `the process did not end by itself after ${what}`, end);
    test.check.equal(code, 0, `exit code after ${what}`);
  }
  await assertCounts(test, await test.transport(), 'inbox', { ready: 10, leased: 0 });
}

async function useALittle(test: TestContext, transport: Transport): Promise<void> {
  await test.send(transport, 'used', test.messages(1));
  await consume(test, transport, 'used', 1);
}

function plausible({ check }: TestContext, declared: Capabilities): void {
  const { durability, reach, features, lease, priorityLevels, retention } = declared;
  check.ok(['none', 'process', 'power'].includes(durability), `durability ${durability}`);
  check.ok(['process', 'host', 'network'].includes(reach), `reach ${reach}`);
  check.ok(['timed', 'connection'].includes(lease), `lease ${lease}`);
  check.between(priorityLevels, 3, 10, 'priority levels');
  check.between(declared.maxBodyBytes, 524_288, Number.MAX_SAFE_INTEGER, 'the largest body');
  for (const name of ['attemptLossMs', 'settleLossMs', 'granularityMs', 'reclaimMs'] as const)
    check.between(declared[name], 0, Number.MAX_SAFE_INTEGER, name);
  for (const [name, bound] of Object.entries(retention)) check.ok(bound > 0, `retention has ${name}`);
  check.equal(Object.keys(retention).toSorted(), ['maxAgeMs', 'maxBytes', 'maxEvents'], 'bounds of retention');
  for (const [name, isThere] of Object.entries(features)) check.equal(typeof isThere, 'boolean', `feature ${name}`);
  check.equal(Object.keys(features).toSorted(), FEATURES, 'features');
}

const FEATURES = [
  ...[
    'atomicMove',
    'calls',
    'cancel',
    'comparablePositions',
    'dedupeSurvivesRestart',
    'exactLimit',
    'exportState',
    'gate',
    'idleExit',
  ],
  ...['monotonicClock', 'orderingKeys', 'portableReceipts', 'retryKeepsPlace', 'staleSettleRefused'],
];
