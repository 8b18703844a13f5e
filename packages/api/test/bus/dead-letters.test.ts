/** Dead letters: browse, redrive and purge, on several backends. */

import { type Bus, RejectError } from '@busbar/api';
import { waitFor } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { backends, Lab } from '../lab.ts';

const code = (wanted: string) => expect.objectContaining({ code: wanted });

/** Creates `count` dead letters with the bodies 0, 1, … in `queue`. */
async function bury(bus: Bus, queue: string, count: number): Promise<string[]> {
  const handles = await bus.enqueueAll(
    queue,
    Array.from({ length: count }, (_, index) => index),
  );
  const processor = await bus.process<number>(queue, (task) => {
    throw new RejectError(`no ${task.body}`);
  });
  await waitFor(async () => (await bus.deadLetters(queue).count()) === count, { what: 'dead letters' });
  await processor.close();
  return handles.map((handle) => handle.id);
}

describe.each(backends)('on %s', (backend) => {
  const open = () => Lab.open(backend);

  test('browse returns pages, oldest first, with body, reason and history', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const ids = await bury(bus, 'work', 5);
    const letters = bus.deadLetters('work');
    expect(letters.queue).toBe('work');
    const first = await letters.browse({ limit: 3 });
    const rest = await letters.browse({ limit: 3, after: first.next! });
    const all = [...first.messages, ...rest.messages];
    expect(all.map((letter) => letter.id)).toEqual(ids);
    expect(rest.next).toBeUndefined();
    expect(all[1]).toMatchObject({
      body: 1,
      queue: 'work',
      attempt: 1,
      reason: 'no 1',
      history: [{ attempt: 1, outcome: 'reject', reason: 'no 1' }],
    });
    expect(Math.abs(all[1]!.diedAt - Date.now())).toBeLessThan(60_000);
    expect((await letters.browse({ ids: [ids[4]!] })).messages.map((letter) => letter.body)).toEqual([4]);
  });

  test('redrive returns some or all with fresh attempts, and their handles work again', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const ids = await bury(bus, 'work', 4);
    const letters = bus.deadLetters('work');
    expect(await letters.redrive({ ids: [ids[2]!, 'work#nobody'] })).toBe(1);
    expect(await bus.task('work', ids[2]!).status()).toBe('queued');
    expect(await letters.redrive({ limit: 1 })).toBe(1);
    expect(await letters.redrive()).toBe(2);
    expect(await letters.redrive()).toBe(0);
    const results = Promise.all(ids.map((id) => bus.task('work', id).result()));
    await bus.process<number>('work', (task, ctx) => [task.body, ctx.attempt]);
    expect(await results).toEqual([0, 1, 2, 3].map((body) => [body, 1]));
  });

  test('a redrive ends even if the messages die again', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    await bury(bus, 'work', 3);
    let runs = 0;
    await bus.process('work', () => {
      runs += 1;
      throw new RejectError('again');
    });
    expect(await bus.deadLetters('work').redrive()).toBe(3);
    await waitFor(async () => runs === 3 && (await bus.deadLetters('work').count()) === 3, { what: 'dead again' });
  });

  test('purge deletes some or all', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const ids = await bury(bus, 'work', 3);
    const letters = bus.deadLetters('work');
    expect(await letters.purge({ ids: [ids[0]!] })).toBe(1);
    expect(await letters.count()).toBe(2);
    expect(await letters.purge()).toBe(2);
    expect((await letters.browse()).messages).toEqual([]);
    expect(await bus.deadLetters('unknown').count()).toBe(0);
  });

  test('the name of an agent or a durable subscription finds its dead letters', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const bob = await bus.agent('bob');
    bob.handle('note', () => {
      throw new RejectError('no');
    });
    await bob.send('bob', 'note', 1);
    const letters = bus.deadLetters('bob');
    await waitFor(async () => (await letters.count()) === 1, { what: 'a dead letter' });
    expect((await letters.browse()).messages).toMatchObject([{ queue: '$inbox.bob', body: 1 }]);
    expect(letters.queue).toBe('$inbox.bob');
    const onEvent = () => {
      throw new RejectError('no');
    };
    await bus.subscribe('t', onEvent, { durableName: 'audit' });
    await bus.publish('t', 2);
    await waitFor(async () => (await bus.deadLetters('audit').count()) === 1, { what: 'a dead event' });
    expect(await bus.deadLetters('audit').redrive({ ids: ['none'] })).toBe(0);
    expect(await bus.deadLetters('audit').purge()).toBe(1);
    await bury(bus, 'bob', 2);
    expect((await bus.deadLetters('bob').browse()).messages.map(({ queue }) => queue)).toEqual(['bob', 'bob']);
    expect(await bus.deadLetters({ agent: 'bob' }).purge()).toBe(1);
  });

  test('a body that cannot be decoded stays bytes', async () => {
    await using lab = await open();
    const bus = await lab.bus();
    const body = new TextEncoder().encode('{ "not": json');
    await bus.transport.queues.send('work', [{ body, contentType: 'application/json' }]);
    await bus.process('work', () => 1);
    const letters = bus.deadLetters('work');
    await waitFor(async () => (await letters.count()) === 1, { what: 'a dead letter' });
    const [letter] = (await letters.browse()).messages;
    expect(letter?.body).toEqual(body);
    expect(letter?.reason).toContain('not application/json');
  });
});

test('names and bad input', async () => {
  await using lab = await Lab.open('memory');
  const bus = await lab.bus();
  expect(bus.deadLetters({ agent: '@service.auth' }).queue).toBe('$inbox.@service.auth');
  expect(bus.deadLetters('$sub.analytics').queue).toBe('$sub.analytics');
  const both = { agent: '@a', subscription: 's' };
  for (const source of ['', 'a b', '@a', 5, undefined, null, {}, both, { agent: 5 }, { queue: 'work' }]) {
    expect(() => bus.deadLetters(source as string)).toThrow(code('INVALID_ARGUMENT') as never);
  }
  const letters = bus.deadLetters('work');
  const refuse = (work: Promise<unknown>) => expect(work).rejects.toEqual(code('INVALID_ARGUMENT'));
  await refuse(letters.browse({ limit: 0 }));
  await refuse(letters.browse({ state: 'ready' } as object));
  await refuse(letters.redrive({ limit: -1 }));
  await refuse(letters.redrive({ ids: 'all' } as never));
  await refuse(letters.redrive({ ids: [5] } as never));
  await refuse(letters.purge({ limit: 1 } as object));
  await refuse(letters.count(5 as never));
});
