import { mkdtempDisposable, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Transport } from '@busbar/api/transport';
import { urlHarness } from '@busbar/conformance';
import { openMemory, parseMemoryUrl } from '@busbar/transport-memory';
import { expect, test } from 'vitest';

const body = new TextEncoder().encode('hello');
const open = (url: string): Promise<Transport> => openMemory(parseMemoryUrl(url));

test('each store of a URL is a namespace of its own, shared by its clients', async () => {
  const harness = await urlHarness('memory:shared', { open, apart: 'namespace' });
  expect(harness.name).toBe('memory');
  const [one, other] = [await harness.store(), await harness.store()];
  await using first = await one.open();
  await using second = await one.open();
  await using separate = await other.open();
  await first.queues.send('q', [{ body }]);
  expect(await separate.queues.receive('q')).toEqual([]);
  expect(await second.queues.receive('q')).toHaveLength(1);
});

test('removing a store leaves nothing in its namespace', async () => {
  const urls: string[] = [];
  const harness = await urlHarness('memory:cleared', {
    apart: 'namespace',
    open: (url) => {
      urls.push(url);
      return open(url);
    },
  });
  const store = await harness.store();
  await using client = await store.open();
  await client.queues.send('q', [{ body }]);
  await store.remove();
  await using again = await open(urls.at(-1) ?? '');
  expect(await again.admin.queues()).toEqual([]);
  expect(await again.queues.receive('q')).toEqual([]);
});

test('a store in one process can be neither reopened nor shared with another process', async () => {
  const harness = await urlHarness('memory:features', { open, apart: 'namespace' });
  expect(Object.keys(harness.missing ?? {}).sort()).toEqual([
    'files',
    'format',
    'options',
    'processes',
    'reopen',
    'server',
  ]);
});

test('each store of a file is a file of the same name and parameters beside it, and is removed afterwards', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'busbar-url-'));
  const urls: string[] = [];
  const harness = await urlHarness(`x:${folder.path}/50%25 of%23it.db?durability=power`, {
    apart: 'file',
    opener: { module: 'file:///opener.js', name: 'open' },
    open: (url) => {
      urls.push(url);
      return openMemory();
    },
  });
  const [one, other] = [await harness.store(), await harness.store()];
  await (await one.open()).close();
  await (await other.open()).close();
  const [mine = '', theirs = ''] = urls.slice(-2);
  expect(mine).not.toBe(theirs);
  expect(mine).toMatch(/^x:.*\/50%25 of%23it\.db\?durability=power$/);
  expect(one.opener?.argument).toBe(mine);
  expect(one.folder?.startsWith(`${folder.path}/.50% of#it.db-conformance-`)).toBe(true);
  await Promise.all([one.remove(), other.remove()]);
  expect(await readdir(folder.path)).toEqual([]);
});
