// The health of a bus whose store answers, or does not.
import { openBus } from '@busbar/api';
import { openMemory } from '@busbar/transport-memory';
import { expect, it } from 'vitest';

it('says how long a round trip took', async () => {
  await using bus = openBus(await openMemory());
  expect(await bus.health()).toEqual({ ok: true, state: 'open', roundTripMs: expect.any(Number) });
});

it('is not ok when the caller leaves or the bus is closed', async () => {
  const bus = openBus(await openMemory());
  const signal = AbortSignal.abort();
  expect(await bus.health({ signal })).toMatchObject({ ok: false, state: 'open', error: { code: 'ABORTED' } });
  await bus.close();
  expect(await bus.health()).toMatchObject({ ok: false, state: 'closed', error: { code: 'CLOSED' } });
});

it('refuses other options', async () => {
  await using bus = openBus(await openMemory());
  for (const options of [{ timeoutMs: 0 }, { signal: 1 }, { waitMs: 1 }, 5]) {
    await expect(bus.health(options as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  }
});
