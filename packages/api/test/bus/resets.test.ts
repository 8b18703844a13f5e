// A bus over a store that loses its data: what the bus owns is declared again, and the loss is reported once.
import { describe, expect, it, vi } from 'vitest';
import { Lab } from '../lab.ts';

describe('a bus over a store that was cleared', () => {
  it('declares mailbox, presence, bindings and settings again, and reports one loss', async () => {
    await using lab = await Lab.open('memory');
    const bus = await lab.bus();
    const [mail, events]: [unknown[], unknown[]] = [[], []];
    const agent = await bus.agent('@worker');
    agent.handle('note', ({ body }) => void mail.push(body));
    await bus.subscribe('news.*', ({ body }) => void events.push(body), { durableName: 'reader' });
    await bus.process('jobs', () => undefined, { leaseMs: 5_000 });
    const lock = await bus.lock('door');
    const other = await lab.bus();
    await other.transport.admin.clear();
    await expect.poll(() => lock.lost).toBe(true);
    await expect.poll(async () => (await other.agents({ online: true })).map(({ name }) => name)).toEqual(['@worker']);
    await other.send('@worker', 'note', 'one');
    await other.publish('news.today', 'two');
    await expect.poll(() => [mail, events]).toEqual([['one'], ['two']]);
    const [jobs] = await other.transport.admin.queues({ names: ['jobs'] });
    expect(jobs?.settings.leaseMs).toBe(5_000);
    const losses = lab.errors.filter(({ code }) => code === 'DATA_LOSS');
    expect(losses).toHaveLength(2);
    expect(losses[0]).toMatchObject({ message: 'the store was replaced or cleared', transport: 'memory' });
  });

  it('declares again what was declared while the store was cleared', async () => {
    await using lab = await Lab.open('memory');
    const [clearing, bus] = [await lab.bus(), await lab.bus()];
    const events: unknown[] = [];
    const { queues } = bus.transport;
    // The reset comes after the binding and before the subscription is there.
    const configure = vi.spyOn(queues, 'configure').mockImplementationOnce(async () => {
      await clearing.transport.admin.clear();
    });
    await bus.subscribe('news.*', ({ body }) => void events.push(body), { durableName: 'reader', leaseMs: 5_000 });
    expect(configure).toHaveBeenCalled();
    await expect.poll(() => clearing.transport.admin.bindings()).toEqual([{ queue: '$sub.reader', pattern: 'news.*' }]);
    await clearing.publish('news.today', 'one');
    await expect.poll(() => events).toEqual(['one']);
  });

  it('puts its schedules again, without those that it has deleted', async () => {
    await using lab = await Lab.open('memory');
    const [bus, clearing] = [await lab.bus(), await lab.bus()];
    await bus.schedules.put('gone', { cron: '@daily', queue: 'jobs' });
    const { nextAt } = await bus.schedules.put('nightly', { cron: '@daily', queue: 'jobs' });
    await bus.schedules.delete('gone');
    bus.schedules.start();
    await expect.poll(async () => (await clearing.schedules.holder())?.owner).toBeDefined();
    await clearing.transport.admin.clear();
    await expect.poll(async () => (await clearing.schedules.list()).map(({ name }) => name)).toEqual(['nightly']);
    expect((await clearing.schedules.get('nightly'))?.nextAt).toBe(nextAt);
    await expect.poll(async () => (await clearing.schedules.holder())?.owner).toBeDefined();
  });

  it('declares nothing again for what was closed', async () => {
    await using lab = await Lab.open('memory');
    const bus = await lab.bus();
    const agent = await bus.agent('@gone');
    const subscription = await bus.subscribe('news.*', () => undefined, { durableName: 'reader' });
    await bus.agent('@here');
    await Promise.all([agent.close(), subscription.close()]);
    await bus.transport.admin.clear();
    await expect.poll(async () => (await bus.agents()).map(({ name }) => name)).toEqual(['@here']);
    expect((await bus.transport.admin.queues()).map(({ name }) => name)).toEqual(['$inbox.@here']);
  });
});
