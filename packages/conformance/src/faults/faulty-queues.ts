/** Queues with injected faults: delays, failed calls and lost responses. */

import { setTimeout as pause } from 'node:timers/promises';
import { BusbarError } from '@busbar/api';
import type { Queues } from '@busbar/api/transport';

/** Wraps `queues`; half of the calls get a fault. */
export function withFaults(queues: Queues, random: () => number): Queues {
  const hurt = async <T>(call: () => Promise<T>): Promise<T> => {
    const fate = random();
    if (fate < 0.15) throw new BusbarError('UNAVAILABLE', 'injected: never made', { outcome: 'failed' });
    if (fate < 0.35) await pause(random() * 15);
    const result = await call();
    if (fate > 0.85) throw new BusbarError('UNAVAILABLE', 'injected: the response is lost', { outcome: 'unknown' });
    return result;
  };
  return {
    send: (...args) => hurt(() => queues.send(...args)),
    receive: (...args) => hurt(() => queues.receive(...args)),
    settle: (...args) => hurt(() => queues.settle(...args)),
    configure: (...args) => hurt(() => queues.configure(...args)),
  };
}
