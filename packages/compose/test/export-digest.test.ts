// What a move compares: every field of every record, and the order of messages and events.
import type { ExportedMessage, StateRecord } from '@busbar/api/transport';
import { describe, expect, it } from 'vitest';
import { ExportDigest } from '../src/migrate/export-digest.ts';

type MessageRecord = Extract<StateRecord, { kind: 'message' }>;

const MESSAGE: ExportedMessage = {
  message: {
    ...{ id: 'm1', contentType: 'text/plain', headers: { a: '1', b: '2' }, type: 'task', from: 'x', to: 'y' },
    ...{ topic: 'news.a', priority: 4, orderingKey: 'k', correlationId: 'c', causationId: 'd', hops: 1, replyTo: 'r' },
    sentAt: 1000,
  },
  ...{ bodyBase64: 'YQ==', state: 'ready', attempts: 1, maxAttempts: 3, ttlMs: 50, ttlLeftMs: 40, delayLeftMs: 5 },
  history: [{ attempt: 1, endedAt: 500, outcome: 'retry', reason: 'busy', consumer: undefined }],
  dead: { reason: 'broken', at: 600 },
};

const OTHER: Partial<Record<keyof ExportedMessage, unknown>> = { bodyBase64: 'Yg==', history: [] };

describe('the digest of an export', () => {
  it('has every field of a message', () => {
    for (const field of Object.keys(MESSAGE.message) as (keyof ExportedMessage['message'])[]) {
      const other = { ...MESSAGE, message: { ...MESSAGE.message, [field]: field === 'headers' ? { a: '1' } : 7 } };
      expect(differences([record(MESSAGE)], [record(other)]), field).not.toEqual([]);
    }
    for (const field of Object.keys(MESSAGE) as (keyof ExportedMessage)[]) {
      if (field === 'message') continue;
      expect(differences([record(MESSAGE)], [record({ ...MESSAGE, [field]: OTHER[field] })]), field).not.toEqual([]);
    }
  });

  it('has the other records', () => {
    const records: StateRecord[] = [
      { kind: 'dedupe', queue: 'q', id: 'm1', leftMs: 10 },
      { kind: 'binding', queue: 'q', pattern: 'a.*' },
      { kind: 'event', topic: 'news.a', message: MESSAGE },
      ...[{ kind: 'kv', key: 'k', valueBase64: 'YQ==', revision: 2, createRevision: 1, ttlLeftMs: 10 } as const],
    ];
    const others: StateRecord[] = [
      { kind: 'dedupe', queue: 'q', id: 'm2', leftMs: 10 },
      { kind: 'binding', queue: 'q', pattern: 'a.>' },
      { kind: 'event', topic: 'news.b', message: MESSAGE },
      ...[{ kind: 'kv', key: 'k', valueBase64: 'YQ==', revision: 3, createRevision: 1, ttlLeftMs: 10 } as const],
    ];
    for (const [index, one] of records.entries()) {
      expect(differences([one], [others[index] as StateRecord])).toEqual([
        expect.stringContaining('different contents'),
      ]);
      expect(differences([one], [])).toEqual([expect.stringContaining('1 and 0 records')]);
    }
  });

  it('ignores how much is left of a duration, undefined fields, and the order of headers', () => {
    const { dead: _, ...alive } = MESSAGE;
    const message = { ...MESSAGE.message, headers: { b: '2', a: '1' } };
    const one = { ...alive, dead: undefined };
    expect(differences([record(one)], [record({ ...alive, message, ttlLeftMs: 30, delayLeftMs: 1 } as never)])).toEqual(
      [],
    );
  });

  it('has the order of messages with one ordering key, and of those with one state and priority', () => {
    const keyed = (id: string, orderingKey: string | undefined): MessageRecord =>
      record({ ...MESSAGE, dead: undefined, message: { ...MESSAGE.message, id, orderingKey } });
    const [a, b, c] = [keyed('a', 'k'), keyed('b', 'k'), keyed('c', 'other')];
    expect(differences([a, b, c], [b, a, c])).toEqual(['messages of q, with ordering key k: another order']);
    expect(differences([a, b, c], [c, a, b])).toEqual([]);
    const [d, e] = [keyed('d', undefined), keyed('e', undefined)];
    expect(differences([d, e], [e, d])).toEqual(['messages of q, ready with priority 4: another order']);
  });

  it('has the order of the events of a topic', () => {
    const event = (topic: string, id: string): StateRecord => {
      return { kind: 'event', topic, message: { ...MESSAGE, message: { ...MESSAGE.message, id } } };
    };
    const [a, b, c] = [event('news', 'a'), event('news', 'b'), event('other', 'c')];
    expect(differences([a, b, c], [b, a, c])).toEqual(['events, of topic news: another order']);
    expect(differences([a, b, c], [c, a, b])).toEqual([]);
  });
});

function record(message: ExportedMessage): MessageRecord {
  return { kind: 'message', queue: 'q', message };
}

function differences(one: readonly StateRecord[], other: readonly StateRecord[]): string[] {
  const [first, second] = [new ExportDigest(), new ExportDigest()];
  for (const each of one) first.add(each);
  for (const each of other) second.add(each);
  return first.differences(second);
}
