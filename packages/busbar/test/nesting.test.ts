// Composed buses of two levels: lengths of receipts and positions, and namespaces of parts.
import type { TopicEvent, Transport } from '@busbar/api/transport';
import { needServer, startRedis, tempDir } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { connectTransport } from '../src/index.ts';

/** Names of the greatest length. */
const token = (letter: string): string => letter.repeat(62);
const LONGEST = [token('a'), token('b'), token('c'), token('d'), 'e'.repeat(3)].join('.');
const CONSUMER = 'c'.repeat(255);
const ID = 'i'.repeat(512);
const MAX = 512;
const body = Buffer.from('x');
const query = (parts: Record<string, string>): string => `${new URLSearchParams(parts)}`;

interface Stage extends AsyncDisposable {
  /** A file of this test. */
  file(name: string): string;
}

function stage(): Stage {
  const dir = tempDir('busbar-nesting');
  return {
    file: (name) => `sqlite:${dir.join(`${name}.db`)}`,
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

/** Two levels over a fast and a durable part. */
const NESTED: Readonly<Record<string, (fast: string, on: Stage) => string>> = {
  'audit of hybrid': (fast, { file }) =>
    `audit:?${query({ of: `hybrid:?${query({ fast, durable: file('bus'), urgent: '8', fastTopics: '>' })}`, log: file('log') })}`,
  'audit of migrate': (fast, { file }) =>
    `audit:?${query({ of: `migrate:?${query({ from: fast, to: file('bus') })}`, log: file('log') })}`,
  'hybrid of migrate': (fast, { file }) =>
    `hybrid:?${query({ fast, durable: `migrate:?${query({ from: file('from'), to: file('bus') })}`, urgent: '8', fastTopics: '>' })}`,
};

describe.each(Object.entries(NESTED))('%s', (_name, urlOf) => {
  test.for(['sqlite', 'redis'])('receipts and positions of the longest names fit, over %s', async (fast, { skip }) => {
    if (fast === 'redis') needServer('redis-server', skip);
    await using stack = new AsyncDisposableStack();
    const on = stack.use(stage());
    const url = fast === 'sqlite' ? on.file('fast') : stack.use(await startRedis()).url;
    const transport = stack.use(await connectTransport(urlOf(url, on)));
    await settlesLongest(transport);
    await goesOnAfterLongest(transport);
  });
});

/** Messages of both parts are received and acked. */
async function settlesLongest({ queues }: Transport): Promise<void> {
  expect(LONGEST).toHaveLength(255);
  await queues.send(LONGEST, [{ id: ID, body }]);
  await queues.send(LONGEST, [{ id: `${ID.slice(1)}u`, body, priority: 9 }]);
  const deliveries = await queues.receive(LONGEST, { max: 2, consumer: CONSUMER, waitMs: 5_000 });
  expect(deliveries.map(({ priority }) => priority)).toEqual([9, 4]);
  for (const { receipt } of deliveries) expect(receipt.length).toBeLessThanOrEqual(MAX);
  const results = await queues.settle(deliveries.map(({ receipt }) => ({ receipt, action: 'ack' })));
  expect(results.map(({ status }) => status)).toEqual(['done', 'done']);
}

/** A subscription goes on after the position of an event, and after its own. */
async function goesOnAfterLongest({ topics }: Transport): Promise<void> {
  const [first] = await topics.publish(LONGEST, [{ id: 'first', body }]);
  await topics.publish(LONGEST, [{ id: 'second', body }]);
  const read = async (after: string | undefined): Promise<{ ids: string[]; position: string }> => {
    const events: TopicEvent[] = [];
    const options = { from: after === undefined ? 'start' : { after } } as const;
    await using subscription = await topics.subscribe(LONGEST, options, (some) => void events.push(...some));
    await expect.poll(() => events.at(-1)?.id).toBe('second');
    return { ids: events.map(({ id }) => id), position: subscription.position ?? '' };
  };
  const { ids, position } = await read(first?.position);
  expect(ids).toEqual(['second']);
  expect((await read(undefined)).ids).toEqual(['first', 'second']);
  for (const each of [first?.position ?? '', position]) {
    expect(each).not.toBe('');
    expect(Buffer.byteLength(each)).toBeLessThanOrEqual(MAX);
  }
}

test('a namespace goes to each part that has none, through both levels', async () => {
  await using on = stage();
  const hybrid = `hybrid:?${query({ fast: `${on.file('fast')}?ns=own`, durable: on.file('bus'), urgent: '8' })}`;
  const url = `audit:?${query({ of: hybrid, log: on.file('log'), ns: 'team' })}`;
  {
    await using transport = await connectTransport(url);
    await transport.queues.send('work', [{ body }, { body, priority: 9 }]);
  }
  expect(await readyIn(on.file('bus'), 'team')).toBe(1);
  expect(await readyIn(on.file('fast'), 'own')).toBe(1);
  expect([await readyIn(on.file('bus'), undefined), await readyIn(on.file('fast'), 'team')]).toEqual([0, 0]);
  await using log = await connectTransport(on.file('log'), { ns: 'team' });
  expect((await log.admin.topics()).map(({ name }) => name)).toContain('$audit');
});

async function readyIn(url: string, ns: string | undefined): Promise<number> {
  await using transport = await connectTransport(url, ns === undefined ? {} : { ns });
  const [queue] = await transport.admin.queues({ names: ['work'] });
  return queue?.ready ?? 0;
}
