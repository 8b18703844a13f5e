// Two copies of each package in one process, as npm installs them when two programs need other versions.
import { expect, test, vi } from 'vitest';

async function copy() {
  vi.resetModules();
  return { ...(await import('busbar')), ...(await import('@busbar/transport-memory')) };
}

test('errors of one copy are errors of the other, at each border', async () => {
  const one = await copy();
  const other = await copy();
  expect(one.BusbarError).not.toBe(other.BusbarError);
  const error = new one.BusbarError('CONFLICT', 'taken', { hint: 'Wait.' });
  expect(other.isBusbarError(error)).toBe(true);
  expect(error instanceof other.BusbarError).toBe(false);

  // The bus of one copy over the transport of the other.
  await using bus = one.openBus(await other.openMemory(), { onError: () => undefined });
  const refused = bus.enqueue('work', 1, { delayMs: -1 });
  await expect(refused).rejects.toSatisfy(other.isBusbarError);
  await expect(bus.transport.kv.put('key', 'text' as never)).rejects.toSatisfy(one.isBusbarError);
  const agent = await bus.agent('@a');
  agent.handle('fails', () => {
    throw new other.BusbarError('CONFLICT', 'taken', { hint: 'Wait.' });
  });
  const answer = agent.request('@a', 'fails', undefined, { timeoutMs: 20_000 });
  await expect(answer).rejects.toMatchObject({
    code: 'HANDLER_FAILED',
    message: expect.stringMatching('taken'),
    cause: { message: expect.stringMatching('taken'), hint: 'Wait.' },
  });
});

test('a handler of one copy rejects and postpones tasks of the other', async () => {
  const one = await copy();
  const other = await copy();
  await using bus = one.openBus(await other.openMemory(), { onError: () => undefined });
  const attempts: number[] = [];
  await bus.process('bad', () => {
    throw new other.RejectError('never');
  });
  await bus.process('late', ({ attempt }) => {
    attempts.push(attempt);
    if (attempts.length === 1) throw new other.RetryError('not yet', { afterMs: 0, countAttempt: false });
    return 'done';
  });
  const bad = await bus.enqueue('bad', 1);
  await expect(bad.result({ timeoutMs: 20_000 })).rejects.toMatchObject({ message: expect.stringMatching('never') });
  expect(await bad.status()).toBe('dead');
  const late = await bus.enqueue<string>('late', 1);
  expect([await late.result({ timeoutMs: 20_000 }), attempts]).toEqual(['done', [1, 1]]);
});
