/** Statistics, on several backends. */

import { RejectError, toPrometheusText } from '@busbar/api';
import { waitFor } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { backends, Lab } from '../lab.ts';

const code = (wanted: string) => expect.objectContaining({ code: wanted });

describe.each(backends)('on %s', (backend) => {
  test('queues, rates, agents and their handlers', async () => {
    await using lab = await Lab.open(backend);
    const [a, b] = [await lab.bus({ presenceTtlMs: 1000 }), await lab.bus({ presenceTtlMs: 1000 })];
    await a.enqueueAll('work', [1, 2, 3, -1]);
    await a.enqueue('work', 4, { delayMs: 60_000 });
    const first = await a.stats();
    expect(first).toMatchObject({ transport: { name: backend, state: 'open' }, agents: [], requests: {}, errors: 0 });
    expect(first.queues).toMatchObject([
      { name: 'work', ready: 4, delayed: 1, leased: 0, dead: 0, rates: undefined, totals: { sent: 5 } },
    ]);
    await b.process<number>('work', (task) => {
      if (task.body < 0) throw new RejectError('negative');
    });
    const held = async () => (await a.transport.admin.queues({ names: ['work'] }))[0]!;
    await waitFor(async () => (await held()).ready === 0 && (await held()).leased === 0, { what: 'the work' });
    const second = await a.stats();
    const { rates } = second.queues.find(({ name }) => name === 'work')!;
    expect(rates!.sent).toBe(0);
    expect((rates!.done * rates!.overMs) / 1000).toBeCloseTo(3);
    expect((rates!.dead * rates!.overMs) / 1000).toBeCloseTo(1);
    const agents = [await a.agent('@echo', { maxConcurrent: 3 }), await b.agent('@echo', { maxConcurrent: 4 })];
    for (const agent of agents) agent.handle('echo', (message) => message.body);
    const requester = await a.agent('@requester', { presence: false });
    for (let count = 0; count < 10; count += 1) await requester.request('@echo', 'echo', count);
    const third = await waitFor(
      async () => {
        const stats = await b.stats();
        return stats.requests['echo']?.count === 10 ? stats : undefined;
      },
      { what: 'ten requests to be told' },
    );
    expect(third.requests['echo']!.p99).toBeGreaterThanOrEqual(third.requests['echo']!.p50);
    expect(third.agents.find(({ name }) => name === '@echo')).toMatchObject({ limit: 7, instances: 2 });
    expect(third.errors).toBe(1);
    expect(third.responses).toEqual({});
    expect((await a.stats()).responses['echo']?.count).toBe(10);
  });

  test('as text for Prometheus, without names of agents and queues of requests', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    await bus.enqueueAll('work', [1, 2]);
    await bus.subscribe('news', () => undefined, { durableName: 'kept' });
    for (const name of ['@a', '@b']) {
      const agent = await bus.agent(name);
      agent.handle('echo', () => undefined);
      await bus.request(name, 'echo', undefined, { timeoutMs: 10_000 });
      await bus.transport.queues.send(`$inbox.${name}`, [{ body: new Uint8Array() }]);
    }
    const text = toPrometheusText(await bus.stats());
    expect(text).toContain(`# TYPE busbar_up gauge\nbusbar_up{transport="${backend}"} 1\n`);
    expect(text).toContain('busbar_agents_online 2\n');
    expect(text).toContain('busbar_queue_messages{queue="work",kind="tasks",state="ready"} 2\n');
    expect(text).toContain('busbar_sent_total{queue="$inbox",kind="inbox"} 2\n');
    expect(text).toContain('queue="kept",kind="subscription"');
    expect(text).not.toMatch(/@a|\$reply|\$call/);
    for (const line of text.trimEnd().split('\n'))
      expect(line).toMatch(/^(# (HELP|TYPE) busbar_\w+ .+|busbar_\w+(\{(\w+="[^"]*",?)+\})? [\d.e+-]+)$/);
  });

  test('names in labels are bounded: the first 100 have series, and the others count together', () => {
    const totals = { sent: 1, done: 0, expired: 0, dead: 0 };
    const one = { ready: 1, delayed: 0, leased: 0, dead: 0, totals, rates: undefined };
    const names = Array.from({ length: 2_000 }, (_, index) => `${String(index).padStart(4, '0')}`);
    const stats = {
      ...{ at: 0, transport: { name: 'memory', state: 'open' as const }, agents: [], responses: {}, errors: 0 },
      queues: ['', '$sub.', '$inbox.'].flatMap((prefix) =>
        names.map((name) => ({ ...one, name: `${prefix}${name}`, oldestAgeMs: Number(name) * 1_000 })),
      ),
      requests: Object.fromEntries(names.map((name) => [name, { count: 1, p50: 1_000, p99: Number(name) * 1_000 }])),
    };
    const lines = toPrometheusText(stats).split('\n');
    const of = (text: string) => lines.filter((line) => line.includes(text));
    expect(of('busbar_sent_total{')).toHaveLength(100 + 1 + 100 + 1 + 1);
    for (const kind of ['tasks', 'subscription']) {
      const labels = `{queue="_other",kind="${kind}"`;
      expect(lines).toContain(`busbar_queue_messages${labels},state="ready"} 1900`);
      expect(lines).toContain(`busbar_queue_oldest_age_seconds${labels}} 1999`);
      expect(lines).toContain(`busbar_sent_total{queue="0099",kind="${kind}"} 1`);
    }
    expect(lines).toContain('busbar_sent_total{queue="$inbox",kind="inbox"} 2000');
    expect(of('busbar_request_handler_seconds{')).toHaveLength(2 * 101);
    expect(lines).toContain('busbar_request_handler_seconds{type="_other",quantile="0.5"} 1');
    expect(lines).toContain('busbar_request_handler_seconds{type="_other",quantile="0.99"} 1999');
  });

  test('a name in a label is escaped', () => {
    const stats = { at: 0, transport: { name: 'a"\\\n', state: 'open' as const }, queues: [], agents: [] };
    const text = toPrometheusText({ ...stats, requests: {}, responses: {}, errors: 0 });
    expect(text).toContain('busbar_up{transport="a\\"\\\\\\n"} 1\n');
  });

  test('rates over a sample time', async () => {
    await using lab = await Lab.open(backend);
    const bus = await lab.bus();
    await bus.enqueue('work', 1);
    const { queues } = await bus.stats({ sampleMs: 20 });
    expect(queues[0]?.rates).toMatchObject({ sent: 0, done: 0 });
    expect(queues[0]?.rates?.overMs).toBeGreaterThanOrEqual(19);
    const abort = new AbortController();
    const aborted = expect(bus.stats({ sampleMs: 60_000, signal: abort.signal })).rejects.toEqual(code('ABORTED'));
    abort.abort();
    await aborted;
    for (const bad of [{ sampleMs: 1 }, { sampleMs: '1s' }, { x: 1 }, 5]) {
      await expect(bus.stats(bad as object)).rejects.toEqual(code('INVALID_ARGUMENT'));
    }
  });
});
