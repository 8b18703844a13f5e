// Imports keep the order of their records, though groups of them overlap.
import type { StateRecord } from '@busbar/api/transport';
import { expect, test, vi } from 'vitest';
import { Importer } from '../src/admin/import.ts';
import type { ReconnectingClient } from '../src/connection/client.ts';

const EVENTS = 250;

function eventOf(number: number): StateRecord {
  const message = {
    ...{ id: `e${number}`, contentType: undefined, type: undefined, from: undefined, to: undefined, topic: 'news' },
    ...{ priority: 4, orderingKey: undefined, correlationId: undefined, causationId: undefined, replyTo: undefined },
    ...{ hops: 0, headers: {}, sentAt: number },
  };
  const exported = { message, bodyBase64: '', state: 'ready', attempts: 0, history: [] };
  return { kind: 'event', topic: 'news', message: exported } as unknown as StateRecord;
}

test('events whose known ones are read again in between keep their order', async () => {
  const sent: number[] = [];
  const run = async (_: unknown, args: readonly unknown[]): Promise<unknown> => {
    // The keys of known events come later than any other reply.
    if (args.length === 2) return new Promise((resolve) => setImmediate(() => setImmediate(() => resolve([]))));
    sent.push(Number(args.at(-1)));
    return 1;
  };
  const client = { run } as unknown as ReconnectingClient;
  const importer = new Importer(client, { topicDedupeMs: 1_000 } as never);
  const bounds = { deadline: Number.POSITIVE_INFINITY, gateRevision: undefined };
  await importer.importAll([eventOf(0)], bounds);
  const later = performance.now() + 3_600_000;
  using now = vi.spyOn(performance, 'now').mockReturnValue(later);
  await importer.importAll(
    Array.from({ length: EVENTS }, (_, index) => eventOf(index + 1)),
    bounds,
  );
  expect(now).toHaveBeenCalled();
  expect(sent).toEqual(Array.from({ length: EVENTS + 1 }, (_, index) => index));
});
