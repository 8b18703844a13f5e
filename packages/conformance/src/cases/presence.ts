/** Registry: heartbeats of agents that die, pause, and take over. */

import type { Bus, Lock, PresenceChange } from '@busbar/api';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { freezeProcess } from '../faults/freeze-process.ts';
import { moduleOf } from '../processes/remote-client.ts';
import { assertRising, fieldsOf, minLifetime } from '../steps/consuming.ts';
import { LONG_TIMEOUT } from '../steps/requesting.ts';

const module = moduleOf('register-agent');

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Registry/heartbeat' }, [
  {
    id: 'Z3',
    title: 'a killed agent is offline within its time to live, for lists, watchers, requests and capabilities',
    rules: ['RE2'],
    smoke: true,
    async run(test) {
      const [dying, bus] = [await test.bus({ presenceTtlMs: 1_000 }), await test.bus()];
      await dying.agent('@dying', { capabilities: ['die'] });
      const changes: PresenceChange[] = [];
      await bus.watchAgents((change) => void changes.push(change));
      test.check.equal((await bus.agents({ capability: 'die', online: true })).length, 1, 'online agents');
      const died = performance.now();
      await dying.transport.close();
      const offline = async (): Promise<boolean> => (await bus.agents({ online: true })).length === 0;
      await test.until('it is offline', offline, test.beyond(1_000) + 4_000);
      await test.until('watchers see it', () => changes.at(-1)?.kind === 'offline', 3_000);
      test.check.between(performance.now() - died, 300, test.beyond(1_000) + 6_000, 'it was offline after');
      const told = changes.map(({ kind, agent }) => `${agent.name} ${kind}`);
      test.check.equal(told, ['@dying online', '@dying offline'], 'told');
      test.check.mapped(await bus.agents(), ({ name, online }) => [name, online], [['@dying', false]], 'still known');
      const requester = await bus.agent('@requester');
      for (const to of ['@dying', { capability: 'die' }] as const) {
        const request = requester.request(to, 'any', null, LONG_TIMEOUT);
        await test.check.rejects(request, 'NO_RESPONDER', 'a request to a dead agent');
      }
      test.check.equal((await bus.send('@dying', 'mail')).status, 'stored', 'its mailbox takes mail');
    },
  },
  {
    id: 'Z5',
    title: 'of many candidates one is the leader; when it dies another takes over, and there are never two',
    rules: ['RE1', 'RE2'],
    load: 'timed',
    async run(test) {
      const terms: Term[] = [];
      const buses = await Promise.all(Array.from({ length: 4 }, () => test.bus()));
      const ended = Promise.allSettled(buses.map((bus) => lead(bus, terms)));
      for (let term = 0; term < 3; term += 1) {
        const leader = await test.until(`term ${term} to begin`, () => terms[term], test.beyond(500) + 5_000);
        await minLifetime(test, async () => terms.length === term + 1 && !leader.lock.lost, performance.now() + 700);
        const died = performance.now();
        // The last leader releases its lock; the others die without a release.
        if (term === 2) await leader.lock.release();
        else await leader.bus.transport.close();
        leader.isOver = term === 2;
        await test.until('the next leader', () => terms.length === term + 2, test.beyond(500) + 5_000);
        const after = (terms[term + 1]?.at ?? 0) - died;
        test.check.between(after, 0, term === 2 ? 4_000 : test.beyond(500) + 4_000, 'the next leader started after');
      }
      await ended;
      test.check.equal(fieldsOf(terms, 'rivals'), [0, 0, 0, 0], 'other leaders at the start of a term');
      assertRising(test, fieldsOf(fieldsOf(terms, 'lock'), 'token'), 'tokens');
    },
  },
  {
    id: 'Z6',
    title: 'a live agent is never offline; a dead one goes offline not before its time to live and soon after',
    rules: ['RE2'],
    load: 'timed',
    async run(test) {
      const [living, bus, transport] = [await test.bus(), await test.bus(), await test.transport()];
      const writing = performance.now();
      await transport.kv.put('timed', Uint8Array.of(1), { ttlMs: 400 });
      await minLifetime(test, async () => (await transport.kv.get('timed')) !== undefined, writing + 395);
      const gone = async (): Promise<boolean> => (await transport.kv.get('timed')) === undefined;
      await test.until('the key is deleted', gone, test.beyond(2_000));
      await living.agent('@living', { presenceTtlMs: 1_200 });
      const isOnline = async (): Promise<boolean> => (await bus.agents({ online: true })).length === 1;
      await minLifetime(test, isOnline, performance.now() + 1_800);
      const died = performance.now();
      await living.transport.close();
      await minLifetime(test, isOnline, died + 500);
      await test.until('it is offline', async () => !(await isOnline()), test.beyond(1_200) + 3_000);
      test.check.between(performance.now() - died, 500, test.beyond(1_200) + 3_000, 'offline after');
    },
  },
  {
    id: 'Z8',
    title: 'an agent paused for too long goes offline, returns, and learns of it',
    rules: ['RE2', 'RE1'],
    async run(test) {
      const [own, bus, transport] = [await test.bus(), await test.bus(), await test.transport()];
      let evictions = 0;
      const agent = await own.agent('@evicted', { presenceTtlMs: 600, onEvicted: () => (evictions += 1) });
      const [live] = await transport.kv.list('$live/@evicted/');
      test.check.ok(live !== undefined, 'its heartbeat');
      await transport.kv.delete(live?.key ?? '');
      await test.until('it learns that it was offline', () => evictions >= 1);
      const back = async (): Promise<string | undefined> =>
        (await bus.agents({ online: true }))[0]?.instances[0]?.instance;
      await test.until('the same instance is back', async () => (await back()) === agent.instance);
      test.check.equal(agent.state, 'online', 'its state');
      await agent.close();
      if (test.harnessFeatures.has('processes')) await pausedProcess(test, bus);
    },
  },
]);

interface Term {
  readonly bus: Bus;
  readonly lock: Lock;
  readonly at: number;
  /** Other agents that still considered themselves leader when this term began. */
  readonly rivals: number;
  isOver: boolean;
}

/** Waits to become the leader and records its term. */
async function lead(bus: Bus, terms: Term[]): Promise<void> {
  const lock = await bus.lock('leader', { leaseMs: 500, waitMs: Number.POSITIVE_INFINITY });
  const rivals = terms.filter((term) => !term.lock.lost && !term.isOver);
  terms.push({ bus, lock, at: performance.now(), rivals: rivals.length, isOver: false });
}

/** An agent whose process is frozen for longer than its presence. */
async function pausedProcess(test: TestContext, bus: Bus): Promise<void> {
  const process = await test.process();
  await process.run(module, 'registerAgent', '@paused');
  const isOnline = async (): Promise<boolean> =>
    (await bus.agents({ online: true })).some(({ name }) => name === '@paused');
  test.check.ok(await isOnline(), 'it is online');
  await freezeProcess(process, await test.transport());
  await test.until('it is offline', async () => !(await isOnline()), test.beyond(400) + 5_000);
  test.check.equal((await bus.send('@paused', 'meanwhile')).status, 'stored', 'mail meanwhile');
  process.resume();
  await test.until('it is online again', isOnline);
  await test.until('it learns of it', async () => (await process.run<number>(module, 'evictions')) >= 1);
  await test.until('it gets its mail', async () => (await process.run<number>(module, 'mailHandled')) === 1);
}
