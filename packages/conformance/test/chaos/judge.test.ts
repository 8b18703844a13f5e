// The judge finds each kind of broken promise, and excuses what a loss or a crash explains.
import { openMemory } from '@busbar/transport-memory';
import { expect, test } from 'vitest';
import type { Action, Fact } from './fact.ts';
import { judge } from './judge.ts';
import type { World } from './world.ts';

await using transport = await openMemory({ name: crypto.randomUUID() });
const world: World = {
  capabilities: transport.capabilities,
  ...{ crashes: [], losses: [], hasWrongClocks: false, counter: 0, done: new Map() },
  alive: [{ client: '@client-1', life: 1 }],
};

/** Facts at 1,000, 2,000, … milliseconds. */
function facts(...actions: readonly Action[]): Fact[] {
  return actions.map((action, index) => ({ ...action, client: '@client-1', life: 1, at: (index + 1) * 1_000 }));
}

const ready = { kind: 'ready' } as const;

function sent(id: string, calledAt: number, more: object = {}): Action {
  return { kind: 'sent', stream: 'work', id, outcome: 'stored', calledAt, delayMs: 0, ...more };
}

function got(id: string, calledAt: number, more: object = {}): Action {
  return { kind: 'got', stream: 'work', id, attempt: 1, calledAt, ...more };
}

const ended = { kind: 'ended', stream: 'work', id: 'a#1', attempt: 1 } as const;

test('a round without faults passes', () => {
  expect(judge(facts(ready, sent('a#1', 1_500), got('a#1', 1_900), ended), world)).toEqual([]);
});

test.each([
  ['acknowledged and never delivered', facts(sent('a#1', 500))],
  ['acknowledged and never delivered', facts(ready, sent('a#1', 1_500, { stream: 'events' }))],
  ['reported as failed, and delivered', facts(sent('a#1', 500, { outcome: 'failed' }), got('a#1', 900))],
  ['delivered after its end', facts(got('a#1', 500), ended, got('a#1', 2_500))],
  ['delivered after its end', facts(got('a#1', 500), ended, got('a#1', 1_500, { attempt: 2 }))],
  ['delivered before its time', facts(sent('a#1', 500, { delayMs: 9_000 }), got('a#1', 1_500))],
  ['begun after a later message of its key', facts(got('a#2', 500, { key: 'a' }), got('a#1', 1_500, { key: 'a' }))],
  [
    'live events twice or out of order',
    facts(got('a#1', 500, { stream: 'live:1', key: 'a' }), got('a#1', 500, { stream: 'live:1', key: 'a' })),
  ],
  [
    'the lock had the token 5 after 7',
    facts({ kind: 'locked', token: 7, askedAt: 500 }, { kind: 'locked', token: 5, askedAt: 1_500 }),
  ],
  [
    'held the lock with 5',
    facts(
      { kind: 'locked', token: 5, askedAt: 500 },
      { kind: 'locked', token: 7, askedAt: 500 },
      { kind: 'wrote', token: 5 },
    ),
  ],
  ['reported a loss that was none', facts({ kind: 'lossReported' })],
  [
    'the counter is 0, not between 1 and 1',
    facts({ kind: 'incrementing' }, { kind: 'incremented', outcome: 'stored' }),
  ],
  ['jobs without an event', facts(sent('a#1', 500, { stream: 'jobs' }), got('a#1', 500, { stream: 'jobs' }))],
])('it finds: %s', (text, round) => {
  expect(judge(round, world)).toEqual([expect.stringContaining(text)]);
});

test('a loss excuses what was sent before it, and must be reported', () => {
  const losses = [{ savedAt: undefined, from: 3_500, to: 3_600 }];
  const round = facts(ready, sent('a#1', 1_500), sent('a#2', 2_500), { kind: 'lossReported' });
  expect(judge(round, { ...world, losses })).toEqual([]);
  const silent = round.filter(({ kind }) => kind !== 'lossReported');
  expect(judge(silent, { ...world, losses })).toEqual(['@client-1/1 reported the loss 0 times']);
});

test('a store that fell back keeps what it had when it was saved', () => {
  const losses = [{ savedAt: 2_500, from: 3_500, to: 3_600 }];
  const round = facts(ready, sent('a#1', 1_500), sent('a#2', 2_700), { kind: 'lossReported' });
  expect(judge(round, { ...world, losses })).toEqual(['acknowledged and never delivered: work a#1']);
});

test('a loss excuses a lower token only where a client gave one by a wrong clock', () => {
  const losses = [{ savedAt: undefined, from: 2_500, to: 2_600 }];
  const locked = (token: number, askedAt: number): Action => ({ kind: 'locked', token, askedAt });
  const round = facts(ready, locked(9, 1_500), locked(5, 2_700), { kind: 'lossReported' });
  const of = { ...world, losses, capabilities: { ...transport.capabilities, reach: 'host' as const } };
  expect(judge(round, of)).toEqual(['the lock had the token 5 after 9']);
  expect(judge(round, { ...of, hasWrongClocks: true })).toEqual([]);
});

test('a crash excuses a delivery after an end only within the declared time', () => {
  const capabilities = { ...transport.capabilities, settleLossMs: 1_000 };
  const round = facts(got('a#1', 500), ended, got('a#1', 2_900));
  const crashedAt = (from: number): World => ({ ...world, capabilities, crashes: [{ from, to: from + 100 }] });
  expect(judge(round, crashedAt(2_500))).toEqual([]);
  expect(judge(round, crashedAt(5_500))).toHaveLength(1);
});
