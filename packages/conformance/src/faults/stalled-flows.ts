/** A transport of a process that stands still, for good or for a while, at one step of a flow. */

import type { Admin, Queues, Transport } from '@busbar/api/transport';
import type { Stalled } from './stalled-schedules.ts';

/**
 * Before the children are sent: the parent is stored. Before the parent is woken: a child is settled. Before the release of a
 * parent that was looked at.
 */
export type FlowStall = 'before the children' | 'before the parent' | 'before the release';

/** `transport` that stands still at this step. `parents` is the queue of the parent. */
export function withFlowStall(transport: Transport, stall: FlowStall, parents: string): Stalled {
  const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const stop = async (isHere: boolean): Promise<void> => {
    if (!isHere) return;
    reached.resolve();
    await gate.promise;
  };
  const queues: Queues = {
    ...transport.queues,
    send: async (queue, ...rest) => {
      await stop(stall === 'before the children' && queue !== parents);
      return transport.queues.send(queue, ...rest);
    },
    settle: async (settlements, ...rest) => {
      await stop(stall === 'before the release' && settlements.some(({ action }) => action === 'release'));
      return transport.queues.settle(settlements, ...rest);
    },
  };
  const admin: Admin = {
    ...transport.admin,
    reschedule: async (queue, ...rest) => {
      await stop(stall === 'before the parent' && queue === parents);
      return transport.admin.reschedule(queue, ...rest);
    },
  };
  const stalled = new Proxy(transport, {
    get(target, key) {
      if (key === 'queues') return queues;
      if (key === 'admin') return admin;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { transport: stalled, reached: reached.promise, goOn: gate.resolve };
}
