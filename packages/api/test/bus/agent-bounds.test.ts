// How long the opening of agents and watches may take, and what reads and deletes agents.
import type { Bus } from '@busbar/api';
import { describe, expect, it } from 'vitest';
import { backends, Lab } from '../lab.ts';

const code = (wanted: string) => expect.objectContaining({ code: wanted });

/** Calls of `name` get no answer until the returned function is called. */
function silence<F extends 'kv' | 'queues'>(bus: Bus, facet: F, name: keyof Bus['transport'][F]): () => void {
  const target = bus.transport[facet];
  const real = (target[name] as (...args: unknown[]) => Promise<unknown>).bind(target);
  const { promise: answer, resolve } = Promise.withResolvers<void>();
  Object.defineProperty(target, name, { value: (...args: unknown[]) => answer.then(() => real(...args)) });
  return resolve;
}

describe.each(backends)('on %s', (backend) => {
  it('a signal ends the opening of an agent and a watch, and what reads and deletes agents', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    const signal = AbortSignal.abort();
    await expect(bus.agent('@a', { open: { signal } })).rejects.toEqual(code('ABORTED'));
    await expect(bus.watchAgents(() => undefined, { signal })).rejects.toEqual(code('ABORTED'));
    await expect(bus.agentLogs('@a', { signal })).rejects.toEqual(code('ABORTED'));
    await expect(bus.forgetAgent('@a', { signal })).rejects.toEqual(code('ABORTED'));
    expect(await bus.agents({ online: true })).toEqual([]);
    const bounds = { timeoutMs: 10_000 };
    const agent = await bus.agent('@a', { open: bounds });
    agent.log('line');
    await using watch = await bus.watchAgents(() => undefined, bounds);
    await agent.close();
    expect(await bus.agentLogs('@a', bounds)).toMatchObject([{ text: 'line' }]);
    expect(await bus.forgetAgent('@a', bounds)).toBe(true);
    expect(watch).toBeDefined();
  });

  it('an agent and a watch obey their time while the server does not answer', async () => {
    await using lab = await Lab.open(backend);
    const [bus, other] = [await lab.bus(), await lab.bus()];
    const states: unknown[] = [];
    bus.events.on('agent', ({ state }) => states.push(state));
    const bounds = { timeoutMs: 50 };
    const answers = [silence(bus, 'queues', 'configure'), silence(bus, 'kv', 'watch')];
    await expect(bus.agent('@a', { open: bounds })).rejects.toEqual(code('TIMEOUT'));
    await expect(bus.watchAgents(() => undefined, bounds)).rejects.toEqual(code('TIMEOUT'));
    for (const answer of answers) answer();
    // The late answers take no effect that lasts: the agent does not go online.
    await expect
      .poll(async () => (await other.agents()).map(({ name, online }) => [name, online]))
      .toEqual([['@a', false]]);
    expect(states).toEqual([]);
    await using agent = await bus.agent('@a', { open: { timeoutMs: 10_000 } });
    expect(agent.state).toBe('online');
  });
});

it('bad bounds are refused', async () => {
  await using lab = await Lab.open('memory');
  const bus = await lab.bus();
  const bad = [5, { timeoutMs: 0 }, { timeoutMs: '1s' }, { signal: 1 }, { x: 1 }] as object[];
  for (const bounds of bad) {
    await expect(bus.agent('@a', { open: bounds })).rejects.toEqual(code('INVALID_ARGUMENT'));
    await expect(bus.watchAgents(() => undefined, bounds)).rejects.toEqual(code('INVALID_ARGUMENT'));
    await expect(bus.agentLogs('@a', bounds)).rejects.toEqual(code('INVALID_ARGUMENT'));
    await expect(bus.forgetAgent('@a', bounds)).rejects.toEqual(code('INVALID_ARGUMENT'));
  }
});
