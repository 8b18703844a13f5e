// Connecting: the namespace that is asked for goes before the one in the URL.
import { isBusbarError } from '@busbar/api';
import { tempDir } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { connect } from '../src/index.ts';

test('a bus of its own in the same place, whatever the URL says', async () => {
  await using folder = tempDir();
  const url = `sqlite:${folder.join('bus.db')}`;
  await using plain = await connect(url);
  await using team = await connect(`${url}?ns=team&durability=process`);
  await using other = await connect(`${url}?ns=team&durability=process`, { ns: 'other' });
  await using same = await connect(url, { ns: 'other' });
  await other.enqueue('work', 1);
  const queues = async (bus: typeof plain): Promise<string[]> => (await bus.stats()).queues.map(({ name }) => name);
  expect([await queues(plain), await queues(team), await queues(same)]).toEqual([[], [], ['work']]);
});

test.each(['', 'a b', 'a&b=c', 'x'.repeat(65), 5, null])('the namespace %j is refused', async (ns) => {
  await using folder = tempDir();
  const opened = connect(`sqlite:${folder.join('bus.db')}`, { ns: ns as string });
  const error = await opened.catch((failure: unknown) => failure);
  expect(isBusbarError(error) && error.code, String(error)).toBe('INVALID_ARGUMENT');
  expect(isBusbarError(error) && error.hint).toBeTruthy();
});
