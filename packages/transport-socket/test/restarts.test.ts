// What a client sees of a hub that comes back as another one, and of events that do not concern it.
import { spawnChild, waitFor } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { openUnix } from '../src/index.ts';
import { PROGRAM, startHub, whenServing } from './running-hub.ts';

const body = (text: string): Uint8Array => Buffer.from(text);

test('a hub that comes back with less is not used, and calls say what is missing', async () => {
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
      const error = await client.entries.get('k', { timeoutMs: 200 }).catch((failure: Error) => failure);
      return error instanceof Error && error.message.includes('came back without dedupeSurvivesRestart');
    },
    { what: 'the refusal' },
  );
  expect(client.state).toBe('reconnecting');
  await lesser.kill();
});

test('a subscription moves on over events that do not match, without asking', async () => {
  await using hub = await startHub('sqlite:$');
  await using client = await openUnix({ path: hub.path });
  const subscription = await client.topics.subscribe('rare', {}, () => undefined);
  const before = subscription.position!;
  await client.topics.publish('often', [{ body: body('1') }, { body: body('2') }]);
  await waitFor(() => subscription.position! > before, { what: 'the position to move on' });
  expect(await client.topics.subscribe('>', { from: { after: subscription.position! } }, () => undefined)).toBeTruthy();
});

test('a store that was opened for a namespace is closed when its clients have gone, and opened again', async () => {
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
