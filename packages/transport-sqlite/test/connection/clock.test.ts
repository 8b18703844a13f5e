/** Store time does not depend on changes of the wall clock. */

import { tempDir } from '@busbar/testbed';
import Database from 'better-sqlite3';
import { afterEach, expect, test, vi } from 'vitest';
import { BootClock, bootId, offsetFor, WallClock } from '../../src/connection/clock.ts';
import { openSqlite } from '../../src/index.ts';

const HOUR = 3_600_000;
const BODY = Uint8Array.of(1);

afterEach(() => {
  vi.useRealTimers();
});

test('with a boot id, store time is independent of the wall clock', () => {
  const clock = new BootClock(offsetFor(Date.now()));
  const before = clock.now();
  setWallClock(Date.now() + HOUR);
  expect(clock.now() - before).toBeLessThan(1000);
  setWallClock(Date.now() - 2 * HOUR);
  expect(clock.now() - before).toBeGreaterThanOrEqual(0);
});

test('without a boot id, store time stands still while the wall clock goes back', () => {
  const clock = new WallClock(0);
  const before = clock.now();
  setWallClock(before - HOUR);
  expect(clock.now()).toBe(before);
  setWallClock(before + 5);
  expect(clock.now()).toBe(before + 5);
});

test.runIf(bootId() !== undefined)('after a restart of the machine, store time continues', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  const first = await openSqlite({ file });
  await first.queues.send('work', [{ body: BODY, delayMs: 10 * HOUR }]);
  await first.close();
  // The machine has restarted, and its wall clock is an hour behind.
  write(file, "UPDATE store SET boot='another boot', clock_offset=0");
  setWallClock(Date.now() - HOUR);
  await using second = await openSqlite({ file });
  const { messages } = await second.admin.browse('work');
  const left = messages[0]?.delayLeftMs ?? 0;
  expect(left).toBeLessThanOrEqual(10 * HOUR);
  expect(left).toBeGreaterThan(10 * HOUR - 10_000);
  expect(second.capabilities.features.monotonicClock).toBe(true);
});

function setWallClock(time: number): void {
  vi.useFakeTimers({ now: time, toFake: ['Date'] });
}

function write(file: string, ...statements: string[]): void {
  const db = new Database(file);
  for (const statement of statements) db.exec(statement);
  db.close();
}
