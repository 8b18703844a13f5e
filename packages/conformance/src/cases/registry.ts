/** Registry: listed agents, their capabilities, and agents that go offline. */

import type { Agent, AgentInfo, Bus } from '@busbar/api';
import { type ConformanceCase, defineCases } from '../case.ts';
import { withWallClock } from '../context/wall-clock.ts';
import { fieldsOf, minLifetime, waitUntil } from '../steps/consuming.ts';
import { LONG_TIMEOUT } from '../steps/requesting.ts';

const HOUR_MS = 3_600_000;

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Registry/heartbeat' }, [
  {
    id: 'Z1',
    title: 'agents register, are listed with their declared fields, go offline, and can be forgotten',
    rules: ['RE1', 'RQ9'],
    smoke: true,
    async run(test) {
      const [bus, other] = [await test.bus(), await test.bus()];
      const before = Date.now();
      const options = { capabilities: ['review', 'build'], maxConcurrent: 7, note: 'first of its kind' };
      const agent = await bus.agent('@worker.one', options);
      await bus.agent('@worker.two');
      const [one, ...more] = await other.agents();
      test.check.equal([one?.name, fieldsOf(more, 'name')], ['@worker.one', ['@worker.two']], 'names');
      const { online, capabilities, limit, note, instances } = one ?? ({} as AgentInfo);
      const registered = [online, capabilities, limit, note];
      test.check.equal(registered, [true, ['build', 'review'], 7, options.note], 'registered fields');
      test.check.equal([instances.length, instances[0]?.instance], [1, agent.instance], 'instances');
      test.check.between(one?.registeredAt ?? 0, before, Date.now(), 'when it registered');
      await test.check.rejects(other.forgetAgent('@worker.one'), 'CONFLICT', 'forgetting an online agent');
      await agent.close();
      test.check.equal(fieldsOf(await other.agents({ online: true }), 'name'), ['@worker.two'], 'online');
      const [offline] = await other.agents({ online: false });
      test.check.equal([offline?.name, offline?.limit, offline?.instances], ['@worker.one', 0, []], 'offline');
      const forgotten = [await other.forgetAgent('@worker.one'), await other.forgetAgent('@worker.one')];
      test.check.equal(forgotten, [true, false], 'forgotten, once');
      test.check.equal(fieldsOf(await bus.agents(), 'name'), ['@worker.two'], 'remaining agents');
      await test.check.rejects(bus.send('@worker.one', 'mail'), 'NOT_FOUND', 'mail to a forgotten agent');
    },
  },
  {
    id: 'Z2',
    title: 'an agent that registers again keeps its mail, its dead letters and its registration time',
    rules: ['RE1', 'RQ1'],
    async run(test) {
      const [bus, sender] = [await test.bus(), await test.bus()];
      const first = await bus.agent('@worker', { capabilities: ['old'] });
      const [before] = await sender.agents();
      await first.close();
      await sender.send('@worker', 'parked', 'while away');
      await test.until('a later time', () => Date.now() > (before?.registeredAt ?? 0));
      const second = await (await test.bus()).agent('@worker', { capabilities: ['new'] });
      const [after] = await sender.agents();
      test.check.equal([after?.name, after?.registeredAt], [before?.name, before?.registeredAt], 'identity');
      test.check.equal([after?.capabilities, after?.online], [['new'], true], 'changes');
      test.check.ok(second.instance !== first.instance, 'the instance is new');
      const third = await (await test.bus()).agent('@worker', { capabilities: ['more'] });
      const [both] = await sender.agents();
      const seen = [both?.instances.length, both?.capabilities, both?.registeredAt];
      test.check.equal(seen, [2, ['more', 'new'], before?.registeredAt], 'two instances of one agent');
      const mail = [...(await second.receive()), ...(await third.receive())];
      test.check.mapped(mail, ({ type, body }) => [type, body], [['parked', 'while away']], 'its mail');
    },
  },
  {
    id: 'Z4',
    title: 'every watcher sees each arrival and departure exactly once, independent of heartbeats',
    rules: ['RE2'],
    load: 'timed',
    async run(test) {
      const [bus, one, two] = [await test.bus({ presenceTtlMs: 450 }), await test.bus(), await test.bus()];
      await bus.agent('@early');
      const told: [string[], string[]] = [[], []];
      for (const [index, watching] of [one, two].entries())
        await watching.watchAgents(({ kind, agent }) => void told[index]?.push(`${agent.name} ${kind}`));
      test.check.equal(told[0], ['@early online'], 'changes for agents that were online before');
      const expected = ['@early online'];
      for (let round = 0; round < 3; round += 1) {
        const agents = await Promise.all(['@a', '@b'].map((name) => bus.agent(`${name}.${round}`)));
        expected.push(...agents.map(({ name }) => `${name} online`));
        await waitUntil(test, performance.now() + 550);
        await Promise.all(agents.map((agent) => agent.close()));
        expected.push(...agents.map(({ name }) => `${name} offline`));
      }
      await test.until('all changes are reported', () => told.every((list) => list.length >= expected.length));
      await waitUntil(test, performance.now() + 550);
      for (const list of told) test.check.equal(list.toSorted(), expected.toSorted(), 'changes seen by a watcher');
      for (const list of told) test.check.ok(inTurn(list), `arrival before departure: ${list.join(', ')}`);
    },
  },
  {
    id: 'Z7',
    title: 'agents are found by capability, and the least loaded one is selected',
    rules: ['RE2'],
    async run(test) {
      const bus = await test.bus();
      const able = (name: string, ...capabilities: string[]) => bus.agent(name, { capabilities, maxConcurrent: 1 });
      const agents = [await able('@ts', 'ts', 'js'), await able('@js', 'js'), await able('@go', 'go')];
      const gone = await able('@gone', 'js', 'rust');
      await gone.close();
      const named = async (capability: string) => fieldsOf(await bus.agents({ capability, online: true }), 'name');
      const found = [await named('js'), await named('ts'), await named('rust'), await named('j')];
      test.check.equal(found, [['@js', '@ts'], ['@ts'], [], []], 'found by js, ts, rust and j');
      test.check.equal(fieldsOf(await bus.agents({ capability: 'rust' }), 'name'), ['@gone'], 'found offline');
      const sent = await Promise.all(Array.from({ length: 8 }, () => bus.send({ capability: 'js' }, 'job')));
      const counts = ['@js', '@ts'].map((name) => sent.filter(({ to }) => to === name).length);
      test.check.equal(counts, [4, 4], 'jobs for each of two');
      for (const agent of agents) agent.handle('who', () => agent.name);
      test.check.equal(await bus.request({ capability: 'go' }, 'who', null, LONG_TIMEOUT), '@go', 'responding agent');
      const unable = bus.send({ capability: 'rust' }, 'job');
      await test.check.rejects(unable, 'NO_RESPONDER', 'a capability without an agent');
    },
  },
  {
    id: 'Z9',
    title: 'agents with wall clocks hours off stay online, see each other and respond like all others',
    rules: ['RQ6', 'RE2'],
    load: 'timed',
    notApplicable: ({ features, reach, reasons }) =>
      features.monotonicClock || reach === 'network' ? undefined : reasons.monotonicClock,
    async run(test) {
      const right = await test.agent('@right', { presenceTtlMs: 1_500 });
      right.handle('who', () => '@right');
      const buses: Bus[] = [await test.bus()];
      const agents: Agent[] = [right];
      for (const offset of [5 * HOUR_MS, -5 * HOUR_MS]) {
        await withWallClock(offset, async () => {
          const bus = await test.bus();
          const name = offset > 0 ? '@ahead' : '@behind';
          const agent = await bus.agent(name, { presenceTtlMs: 1_500 });
          agent.handle('who', () => name);
          buses.push(bus);
          agents.push(agent);
        });
      }
      const all = ['@ahead', '@behind', '@right'];
      await minLifetime(test, () => everybodySees(buses, all), performance.now() + 2_000);
      for (const agent of agents) {
        const responses = all.map((name) => agent.request(name, 'who', null, LONG_TIMEOUT));
        test.check.equal(await Promise.all(responses), all, `responding agent for ${agent.name}`);
      }
      await Promise.all(agents.map((agent) => agent.close()));
      test.check.ok(await everybodySees(buses, []), 'no agent is online');
    },
  },
  {
    id: 'Z10',
    title: 'a thousand agents register, are listed, get their own mail, and go offline',
    rules: ['RE1', 'RE2', 'RQ9'],
    timeoutMs: 60_000,
    async run(test) {
      const buses = await Promise.all(Array.from({ length: 4 }, () => test.bus({ presenceTtlMs: 30_000 })));
      const names = Array.from({ length: 1_000 }, (_, index) => `@crowd.${String(index).padStart(4, '0')}`);
      const [first = await test.bus()] = buses;
      const agents = await Promise.all(names.map((name, index) => (buses[index % 4] ?? first).agent(name)));
      test.check.equal(fieldsOf(await first.agents({ online: true }), 'name'), names, 'online agents');
      for (let index = 0; index < 1_000; index += 97) await first.send(names[index] ?? '', 'mail', index);
      for (const [index, agent] of agents.entries()) {
        if (index % 97 !== 0 && index % 101 !== 0) continue;
        const mail = await agent.receive({ max: 5 });
        test.check.equal(fieldsOf(mail, 'body'), index % 97 === 0 ? [index] : [], `mail of ${agent.name}`);
        await mail[0]?.ack();
      }
      await Promise.all(agents.slice(0, 900).map((agent) => agent.close()));
      test.check.equal(fieldsOf(await first.agents({ online: true }), 'name'), names.slice(900), 'remaining agents');
    },
  },
  {
    id: 'Z11',
    title: 'an agent that is forgotten while it is online learns of it and registers again, with an empty inbox',
    rules: ['RE1', 'RA2'],
    async run(test) {
      const [bus, operator] = [await test.bus(), await test.bus()];
      let evictions = 0;
      const agent = await bus.agent('@live', { presenceTtlMs: 600, onEvicted: () => (evictions += 1) });
      await operator.send('@live', 'note', 'before');
      await test.check.rejects(operator.forgetAgent('@live'), 'CONFLICT', 'forgetting an agent that is online');
      test.check.equal(await operator.forgetAgent('@live', { force: true }), true, 'forgotten');
      await test.until('it learns of it', () => evictions >= 1);
      const sent = async (): Promise<boolean> =>
        operator.send('@live', 'note', 'after').then(
          () => true,
          () => false,
        );
      await test.until('its inbox takes messages', sent);
      const mail = await agent.receive({ max: 5, waitMs: 5_000 });
      test.check.equal(fieldsOf(mail, 'body'), ['after'], 'its mail');
      await mail[0]?.ack();
      const [info] = await operator.agents();
      test.check.equal([info?.name, info?.online, info?.instances.length], ['@live', true, 1], 'the agent');
      test.check.ok(info?.registeredAt !== undefined, 'it is registered');
      await agent.close();
      test.check.equal(await operator.forgetAgent('@live'), true, 'forgotten after its end');
      await test.check.rejects(operator.send('@live', 'note', 'late'), 'NOT_FOUND', 'mail to a forgotten agent');
    },
  },
]);

async function everybodySees(buses: readonly Bus[], names: readonly string[]): Promise<boolean> {
  const seen = await Promise.all(buses.map((bus) => bus.agents({ online: true })));
  return seen.every((agents) => agents.map(({ name }) => name).join() === names.join());
}

/** Returns true if each agent arrives before it departs and no event repeats. */
function inTurn(told: readonly string[]): boolean {
  const online = new Set<string>();
  return told.every((one) => {
    const [name = '', kind] = one.split(' ');
    const isInTurn = online.has(name) === (kind === 'offline');
    if (kind === 'online') online.add(name);
    else online.delete(name);
    return isInTurn;
  });
}
