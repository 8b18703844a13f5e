/** Changes of a watch before, during and after the read of the present entries. */

import { WatchCursor } from '@busbar/api/driver';
import type { KvChange, KvEntry } from '@busbar/api/transport';
import { expect, test } from 'vitest';

function entry(key: string, revision: number): KvEntry {
  return { key, value: new Uint8Array(), revision, createRevision: 1, ttlLeftMs: undefined };
}

function put(key: string, revision: number): KvChange & { kind: 'put' } {
  return { kind: 'put', entry: entry(key, revision) };
}

function brief(changes: readonly KvChange[]): string[] {
  return changes.map((change) => {
    if (change.kind === 'synced') return 'synced';
    return change.kind === 'put' ? `${change.entry.key} ${change.entry.revision}` : `${change.key} ${change.kind}`;
  });
}

test('a change before the read is reported once, a later change follows the entries', async () => {
  const watch = new WatchCursor('a/', () => {});
  const first = watch.next(10);
  watch.changed(put('a/1', 5));
  watch.changed(put('a/2', 6));
  watch.begin([entry('a/1', 5), entry('a/2', 4)]);
  expect(brief(await first)).toEqual(['a/1 5', 'a/2 4', 'synced']);
  expect(brief(await watch.next(10))).toEqual(['a/2 6']);
});

test('changes of a key are merged into the latest; changes of other keys are ignored', async () => {
  const watch = new WatchCursor('a/', () => {});
  watch.begin([]);
  for (const change of [put('a/1', 1), put('b/1', 2), put('a/2', 3), put('a/1', 4)]) watch.changed(change);
  watch.changed({ kind: 'deleted', key: 'a/3', revision: 5 });
  expect(brief(await watch.next(10))).toEqual(['synced']);
  expect(brief(await watch.next(2))).toEqual(['a/2 3', 'a/1 4']);
  expect(brief(await watch.next(2))).toEqual(['a/3 deleted']);
});

test('closing ends a wait without changes', async () => {
  let closes = 0;
  const watch = new WatchCursor('', () => {
    closes += 1;
  });
  const waiting = watch.next(1);
  await watch.close();
  expect([await waiting, await watch.next(1), closes]).toEqual([[], [], 1]);
});
