// The judge of the move program sees each kind of fault.
import { expect, test } from 'vitest';
import type { Fact } from './facts.ts';
import { judge } from './judge.ts';

const message = (kind: 'sent' | 'handled', id: string, at: bigint): Fact => ({ kind, id, key: id.slice(0, 2), at });
const acked = (id: string, at: bigint): Fact => ({ kind: 'acked', id, at });

test('a run without faults; a repetition without an ack is none', () => {
  const facts = [
    message('sent', 'a0-1', 1n),
    message('sent', 'a0-2', 2n),
    message('handled', 'a0-1', 3n),
    message('handled', 'a0-1', 4n),
    acked('a0-1', 5n),
    message('handled', 'a0-2', 6n),
    acked('a0-2', 7n),
    { kind: 'published', id: 'a0-1', key: 'a0', at: 8n } as const,
    { kind: 'locked', lock: 'l', token: 1, at: 9n } as const,
    { kind: 'locked', lock: 'l', token: 4, at: 10n } as const,
  ];
  const counts = { sent: 2, handled: 2, events: 1, lost: 0, duplicated: 0, again: 1 };
  expect(judge(facts, ['a0-1'])).toEqual({ ...counts, faults: [] });
});

test('loss, duplicates, disorder and tokens', () => {
  const facts = [
    message('sent', 'a0-1', 1n),
    message('sent', 'a0-3', 2n),
    message('handled', 'a0-2', 3n),
    acked('a0-2', 4n),
    message('handled', 'a0-1', 5n),
    message('handled', 'a0-2', 6n),
    { kind: 'published', id: 'b0-9', key: 'b0', at: 7n } as const,
    { kind: 'locked', lock: 'l', token: 4, at: 9n } as const,
    { kind: 'locked', lock: 'l', token: 4, at: 10n } as const,
  ];
  expect(judge(facts, ['b0-2', 'b0-1', 'b0-1'])).toMatchObject({ lost: 2, duplicated: 2, again: 0 });
  expect(judge(facts, ['b0-2', 'b0-1', 'b0-1']).faults).toEqual([
    'the message a0-3 was never handled',
    'the event b0-9 was never seen',
    'the message a0-2 was handled after its ack',
    'the event b0-1 was seen twice',
    'the messages with the key a0 came out of order',
    'the events of b0 came out of order',
    'the tokens of l do not rise',
  ]);
});
