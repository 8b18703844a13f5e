/** Queues whose calls are late, fail before they are made, or lose their answer. */

import { setTimeout as pause } from 'node:timers/promises';
import { BusbarError } from '@busbar/api';
import type { Queues } from '@busbar/api/transport';

/** The calls of `queues`, one in two of them hurt. */
export function faulty(queues: Queues, random: () => number): Queues {
  const hurt = async <T>(call: () => Promise<T>): Promise<T> => {
    const fate = random();
    if (fate < 0.15) throw new BusbarError('UNAVAILABLE', 'injected: never made', { outcome: 'failed' });
    if (fate < 0.35) await pause(random() * 15);
    const result = await call();
    if (fate > 0.85) throw new BusbarError('UNAVAILABLE', 'injected: the answer is lost', { outcome: 'unknown' });
    return result;
  };
  return {
    send: (...args) => hurt(() => queues.send(...args)),
    receive: (...args) => hurt(() => queues.receive(...args)),
    settle: (...args) => hurt(() => queues.settle(...args)),
    configure: (...args) => hurt(() => queues.configure(...args)),
  };
}
