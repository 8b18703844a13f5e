// A client whose hub is replaced, and a subscription to rare events.
import { spawnChild, waitFor } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { openUnix } from '../../src/index.ts';
import { PROGRAM, startHub, whenServing } from '../support/running-hub.ts';

const body = (text: string): Uint8Array => Buffer.from(text);

test.concurrent('a hub that comes back with fewer features is refused, and calls name the missing one', async () => {
  await using hub = await startHub('sqlite:$');
  await using client = await openUnix({ path: hub.path });
  await hub.child.kill();
  await using lesser = spawnChild({
    file: PROGRAM,
    args: ['hub', '--store', 'memory:', '--listen', `unix:${hub.path}`],
  });
  await whenServing(hub.path);
  await waitFor(
    async () => {
      const error = await client.kv.get('k', { timeoutMs: 200 }).catch((failure: Error) => failure);
      return error instanceof Error && error.message.includes('came back without the feature dedupeSurvivesRestart');
    },
    { what: 'the refusal' },
  );
  expect(client.state).toBe('reconnecting');
  await lesser.kill();
});

test.concurrent('a waiting subscription moves past events that do not match', async () => {
  await using hub = await startHub('sqlite:$');
  await using client = await openUnix({ path: hub.path });
  const subscription = await client.topics.subscribe('rare', {}, () => undefined);
  const before = subscription.position!;
  await client.topics.publish('often', [{ body: body('1') }, { body: body('2') }]);
  await waitFor(() => subscription.position! > before, { what: 'the position to move on' });
  expect(await client.topics.subscribe('>', { from: { after: subscription.position! } }, () => undefined)).toBeTruthy();
});

test.concurrent('the store of a namespace closes after its last client, and opens again', async () => {
  await using hub = await startHub('sqlite:$');
  for (let round = 0; round < 3; round += 1) {
    await using client = await openUnix({ path: hub.path, ns: 'team' });
    await client.queues.send('jobs', [{ body: body(String(round)) }]);
  }
  await using client = await openUnix({ path: hub.path, ns: 'team' });
  await using other = await openUnix({ path: hub.path });
  expect(await client.queues.receive('jobs', { max: 9 })).toHaveLength(3);
  expect(await other.queues.receive('jobs')).toEqual([]);
});

test.concurrent('a namespace in memory keeps its data while the hub runs, though no client uses it', async () => {
  await using hub = await startHub('memory:');
  await using other = await openUnix({ path: hub.path });
  const past = await openUnix({ path: hub.path, ns: 'team' });
  await past.queues.send('jobs', [{ body: body('kept') }]);
  await (await openUnix({ path: hub.path, ns: 'empty' })).close();
  await past.close();
  const since = performance.now();
  await waitFor(() => performance.now() - since > 6_000, {
    what: 'the time that an unused store stays',
    timeoutMs: 8_000,
  });
  await using client = await openUnix({ path: hub.path, ns: 'team' });
  expect(await client.queues.receive('jobs')).toHaveLength(1);
  expect(other.state).toBe('open');
});

test.concurrent('requests with large headers are split into legal frames', async () => {
  await using hub = await startHub('memory:');
  await using client = await openUnix({ path: hub.path });
  const states: string[] = [];
  client.onState(({ state }) => states.push(state));
  const headers = { large: 'é'.repeat(7_500) };
  const messages = Array.from({ length: 600 }, (_, index) => ({ id: `m${index}`, body: body('x'), headers }));
  const results = await client.queues.send('large', messages);
  expect(results.map(({ id, status }) => [id, status])).toEqual(messages.map(({ id }) => [id, 'stored']));
  const single = await Promise.all(messages.map((each) => client.queues.send('single', [each])));
  expect(single.flat().every(({ status }) => status === 'stored')).toBe(true);
  const held = [];
  while (held.length < 600) held.push(...(await client.queues.receive('large', { max: 1000 })));
  expect(held.every((each) => each.headers['large'] === headers.large)).toBe(true);
  const reason = '\u0001'.repeat(4_000);
  const settled = await client.queues.settle(held.map(({ receipt }) => ({ receipt, action: 'reject', reason })));
  expect(settled.map(({ receipt, status }) => [receipt, status])).toEqual(held.map(({ receipt }) => [receipt, 'done']));
  const keys = Array.from({ length: 10_000 }, (_, index) => `${'k'.repeat(500)}${index}`);
  await client.kv.put(keys[0]!, body('v'), { ttlMs: 60_000 });
  const touched = await client.kv.touch(keys.map((key) => ({ key, ttlMs: 60_000 })));
  expect(touched.map(({ status }) => status)).toEqual(['touched', ...keys.slice(1).map(() => 'lost')]);
  let records = 0;
  for await (const _ of client.admin.exportState()) records += 1;
  expect(records).toBeGreaterThan(1_200);
  expect(states).toEqual([]);
});
