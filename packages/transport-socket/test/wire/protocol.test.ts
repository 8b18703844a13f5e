// Tests docs/protocol.md with a client that was written from it.

import { FRAME } from '@busbar/wire';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { read } from '../../../../test/repo/sources.ts';
import { operationNames } from '../../src/hub/operations/operation-table.ts';
import { openUnix } from '../../src/index.ts';
import { PageClient } from '../support/page-client.ts';
import { type RunningHub, startHub } from '../support/running-hub.ts';

let hub: RunningHub;
beforeAll(async () => {
  hub = await startHub('sqlite:$');
});
afterAll(() => hub[Symbol.asyncDispose]());

describe('the page', () => {
  const page = read('docs/protocol.md');

  test('names every frame with its number', () => {
    const listed = [...page.matchAll(/^\| (\d+) \| (\w+) \| \S/gm)].map(([, type, name]) => [name, Number(type)]);
    expect(Object.fromEntries(listed)).toEqual(FRAME);
  });

  test('names every operation', () => {
    const short = (op: string): string => (op.startsWith('admin.') ? op.slice('admin.'.length) : op);
    expect(operationNames().filter((op) => !page.includes(`\`${short(op)}\``) && !page.includes(`\`${op}\``))).toEqual(
      [],
    );
  });
});

describe('a client written from the page', () => {
  test('receives the capabilities of the store in welcome', async () => {
    const [client, { type, header }] = await PageClient.open(hub.path);
    expect(type).toBe(2);
    expect(header).toMatchObject({ version: 1, store: 'sqlite', maxFrameBytes: 4_194_304 });
    expect(header['capabilities']).toMatchObject({ durability: 'process', features: { calls: true } });
    client.close();
  });

  test('sends, receives and settles; missing fields get their defaults', async () => {
    const [client] = await PageClient.open(hub.path);
    const sent = await client.request(
      7,
      { op: 'queues.send', queue: 'a', messages: [{ id: 'one', priority: 9 }, {}] },
      ['first'],
    );
    expect(sent.header['results']).toMatchObject([{ id: 'one', status: 'stored' }, { status: 'stored' }]);
    const taken = await client.request(8, { op: 'queues.receive', queue: 'a', max: 5, waitMs: null });
    const deliveries = taken.header['deliveries'] as { id: string; receipt: string; attempt: number }[];
    expect([deliveries.length, deliveries[0]!.id, deliveries[0]!.attempt, taken.bodies]).toEqual([
      2,
      'one',
      1,
      ['first', ''],
    ]);
    const settlements = deliveries.map(({ receipt }) => ({ receipt, action: 'ack' }));
    const settled = await client.request(9, { op: 'queues.settle', settlements });
    expect(settled.header['results']).toMatchObject([{ status: 'done' }, { status: 'done' }]);
    client.close();
  });

  test('waits, and cancels a wait', async () => {
    const [client] = await PageClient.open(hub.path);
    client.send(3, 1, { op: 'queues.receive', queue: 'empty', waitMs: null });
    client.send(8, 1, {});
    const response = await client.take(({ id }) => id === 1);
    expect([response.type, response.header['code']]).toEqual([5, 'ABORTED']);
    client.close();
  });

  test('subscribes, watches and exports with cursors', async () => {
    const [client] = await PageClient.open(hub.path, { ns: 'cursors' });
    await client.request(1, { op: 'topics.subscribe', pattern: 'news.*' });
    await client.request(2, { op: 'topics.publish', topic: 'news.x', messages: [{}] }, ['event']);
    const batch = await client.request(3, { op: 'cursor.next', cursor: 1 });
    expect([batch.header['events'], batch.bodies]).toMatchObject([[{ topic: 'news.x' }], ['event']]);
    await client.request(4, { op: 'kv.put', key: 'k' }, ['v']);
    await client.request(5, { op: 'kv.watch', prefix: '' });
    const changes = await client.request(6, { op: 'cursor.next', cursor: 5 });
    expect([changes.header['changes'], changes.bodies]).toMatchObject([
      [{ kind: 'put', key: 'k' }, { kind: 'synced' }],
      ['v'],
    ]);
    await client.request(7, { op: 'admin.exportState' });
    const records = await client.request(8, { op: 'cursor.next', cursor: 7, max: 1000 });
    expect(records.header['end']).toBe(true);
    expect((records.header['records'] as { kind: string }[]).map(({ kind }) => kind)).toContain('event');
    client.close();
  });

  test('serves calls of the library, and calls its services', async () => {
    const [client] = await PageClient.open(hub.path);
    await using ours = await openUnix({ path: hub.path });
    await client.request(1, { op: 'calls.serve', serviceId: 3, address: 'page' });
    const replies: string[] = [];
    const calling = (async () => {
      for await (const reply of ours.calls!.call('page', { body: Buffer.from('ping') }))
        replies.push(Buffer.from(reply.body).toString());
    })();
    const call = await client.take(({ type }) => type === 9);
    expect([call.header['serviceId'], call.bodies]).toEqual([3, ['ping']]);
    client.send(6, call.id, {}, ['one']);
    client.send(6, call.id, {}, ['two']);
    client.send(4, call.id, {});
    await calling;
    expect(replies).toEqual(['one', 'two']);
    await ours.calls!.serve('ours', {}, async function* (message) {
      yield { body: message.body };
    });
    client.send(3, 2, { op: 'calls.call', address: 'ours', message: {} }, ['hello']);
    const part = await client.take(({ type, id }) => type === 6 && id === 2);
    expect(part.bodies).toEqual(['hello']);
    expect((await client.take(({ id }) => id === 2)).type).toBe(4);
    const refused = await client.request(4, { op: 'calls.call', address: 'unserved', message: {} });
    expect(refused.header['code']).toBe('NO_RESPONDER');
    client.close();
  });
});

describe('a client that names its agent in hello', () => {
  test('sends as that agent only', async () => {
    const [client] = await PageClient.open(hub.path, { agent: '@a' });
    const send = { op: 'queues.send', queue: 'from' };
    await client.request(1, { ...send, messages: [{}, { from: '@a' }] });
    const taken = await client.request(2, { op: 'queues.receive', queue: 'from', max: 2 });
    expect((taken.header['deliveries'] as { from: string }[]).map(({ from }) => from)).toEqual(['@a', '@a']);
    for (const [id, header] of [
      { ...send, messages: [{ from: '@b' }] },
      { op: 'topics.publish', topic: 't', messages: [{ from: '@b' }] },
      { op: 'calls.call', address: 'x', message: { from: '@b' } },
    ].entries()) {
      expect((await client.request(id + 3, header)).header['code']).toBe('PERMISSION_DENIED');
    }
    expect((await client.request(9, { op: 'hub.stop' })).header['code']).toBe('PERMISSION_DENIED');
    client.close();
  });

  test('does not fail other calls of the same request', async () => {
    await using client = await openUnix({ path: hub.path, agent: '@a' });
    const results = await Promise.allSettled([
      client.queues.send('joined', [{ body: Buffer.from('1') }]),
      client.queues.send('joined', [{ body: Buffer.from('2'), from: '@b' }]),
      client.queues.send('joined', [{ body: Buffer.from('3'), from: '@a' }]),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });
});
