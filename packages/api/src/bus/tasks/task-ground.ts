/** What tickets stand on. */

import { BusbarError } from '../../contract/errors.ts';
import type { Transport } from '../../contract/transport.ts';
import type { Bodies } from '../messages/body-codec.ts';
import type { BusKernel } from '../runtime.ts';
import type { Part } from '../shutdown.ts';
import { TaskWatch } from './task-tracker.ts';

/** What a ticket stands on. */
export interface TaskGround<R> {
  readonly transport: Transport;
  readonly bodies: Bodies;
  /** What watches the tasks of a queue. */
  watch(queue: string): TaskWatch;
  /** Makes a result of a decoded body. */
  toResult(value: unknown): R | Promise<R>;
}

/** The watches of one bus, one a queue. */
export class TaskWatches implements Part {
  readonly #transport: Transport;
  readonly #watches = new Map<string, TaskWatch>();

  constructor(kernel: BusKernel) {
    this.#transport = kernel.transport;
    kernel.lifetime.add('foundation', this);
  }

  /** The watch over the tasks of `queue`. Watches over which nobody looks any more are forgotten. */
  of(queue: string): TaskWatch {
    const known = this.#watches.get(queue);
    if (known !== undefined) return known;
    for (const [name, watch] of this.#watches) if (watch.isIdle) this.#watches.delete(name);
    const watch = new TaskWatch(this.#transport, queue);
    this.#watches.set(queue, watch);
    return watch;
  }

  /** Who waits for a result or for progress gets CLOSED. */
  async close(): Promise<void> {
    for (const watch of this.#watches.values()) watch.break(new BusbarError('CLOSED', 'the bus is closed'));
  }
}
