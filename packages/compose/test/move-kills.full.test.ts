// Movers that are killed while the target is closed: its gate falls back after ten seconds.
import { expect, test } from 'vitest';
import { moveBus, planMove, rollBack } from '../src/index.ts';
import { fill, stores } from './move-stores.ts';

test.concurrent('a move back whose mover was killed before it cleared the target is repeated', async () => {
  await using setting = await stores();
  const { from, to } = setting.ends;
  await fill(from.transport);
  await moveBus({ from, to });
  const back = { from: to, to: from };
  const onProgress = (): never => {
    throw new Error('killed');
  };
  await expect(moveBus(back, { onProgress })).rejects.toThrow('killed');
  expect(await from.transport.admin.gate()).toMatchObject({ state: 'closed', movedTo: to.name });
  expect((await planMove(back)).problems).toEqual([]);
  await rollBack(back);
  expect(await from.transport.admin.gate()).toMatchObject({ state: 'moved', movedTo: to.name });
  await moveBus(back);
  expect((await from.transport.queues.receive('work')).map(({ id }) => id)).toEqual(['one']);
});

test.concurrent('a mover that ends between the cutover and the opening of the target leaves a bus that opens again', async () => {
  await using setting = await stores();
  const { from, to } = setting.ends;
  await fill(from.transport);
  await moveBus({ from, to });
  const { admin } = from.transport;
  const setGate: typeof admin.setGate = async (state, options) => {
    if (state === 'open') throw new Error('killed');
    return admin.setGate(state, options);
  };
  const killed = new Proxy(from.transport, {
    get: (target, key) => (key === 'admin' ? { ...admin, setGate } : Reflect.get(target, key, target)),
  });
  await expect(moveBus({ from: to, to: { ...from, transport: killed } })).rejects.toThrow('killed');
  expect([await to.transport.admin.gate(), await admin.gate()]).toMatchObject([
    { state: 'moved' },
    { state: 'closed' },
  ]);
  await expect(moveBus({ from: to, to: from })).rejects.toMatchObject({
    message: expect.stringContaining('has moved'),
  });
  expect(await admin.gate()).toMatchObject({ state: 'open' });
  expect((await from.transport.queues.receive('work')).map(({ id }) => id)).toEqual(['one']);
});
