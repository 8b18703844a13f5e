/** A transport of a process that stands still between the message and the record of a schedule, or of a task with a key. */

import type { KeyValue, Queues, Transport } from '@busbar/api/transport';

/** Where it stands still: before the message is sent, or after it, before the next time is stored. */
export type Stall = 'before the message' | 'before the record';

/** The transport, and how to let it go on. */
export interface Stalled {
  readonly transport: Transport;
  /** Resolves when it stands still. */
  readonly reached: Promise<void>;
  /** Lets it go on. */
  goOn(): void;
}

/** `transport` that stands still when it fires. It does not renew its lock meanwhile. `records`: the prefix of their keys. */
export function withStall(transport: Transport, stall: Stall, records = '$schedule/'): Stalled {
  const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let isStill = false;
  const stop = async (isHere: boolean): Promise<void> => {
    if (isHere) isStill = true;
    if (!isStill) return;
    reached.resolve();
    await gate.promise;
  };
  const queues: Queues = {
    ...transport.queues,
    send: async (...args) => {
      await stop(stall === 'before the message');
      return transport.queues.send(...args);
    },
  };
  const kv: KeyValue = {
    ...transport.kv,
    put: async (...args) => {
      await stop(stall === 'before the record' && args[0].startsWith(records));
      return transport.kv.put(...args);
    },
    touch: async (...args) => {
      await stop(false);
      return transport.kv.touch(...args);
    },
  };
  const stalled = new Proxy(transport, {
    get(target, key) {
      if (key === 'queues') return queues;
      if (key === 'kv') return kv;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { transport: stalled, reached: reached.promise, goOn: gate.resolve };
}
