/** The bus: one object over any transport, whose verbs are carried out by its parts. */

import { checkDuration, checkOptions, MAX_TIMER_MS } from '../checks.ts';
import type { Transport } from '../transport.ts';
import { BusKernel } from './kernel.ts';
import type { Middleware } from './middleware.ts';
import type { BusOptions } from './options.ts';
import { NO_ORIGIN } from './origin.ts';
import { Sender } from './sender.ts';

/** How to end a bus. */
export interface CloseBusOptions {
  /** How long handlers that run may go on, 0 to 2^31-1. Then their signal fires and their messages are given back. Default 5,000. */
  readonly drainMs?: number;
}

const DEFAULT_DRAIN_MS = 5000;

/** A message bus. What is sent through it directly is in nobody's name; agents send in theirs. */
export class Bus extends Sender implements AsyncDisposable {
  /** What carries it; open to all that the bus does not do. */
  readonly transport: Transport;
  readonly #kernel: BusKernel;
  #closed: Promise<void> | undefined;

  /** Use {@link openBus}. */
  constructor(kernel: BusKernel) {
    super(kernel, NO_ORIGIN);
    this.#kernel = kernel;
    this.transport = kernel.transport;
  }

  /** Adds middleware inside of what is there. It runs around what begins from now on. */
  use(middleware: Middleware): this {
    this.#kernel.middleware.add(middleware);
    return this;
  }

  /** Takes nothing new (mail, requests, events, tasks); resolves when what is handled is over. Sending goes on. */
  async drain(): Promise<void> {
    await this.#kernel.lifetime.drain();
  }

  /** Ends the bus and its transport: handlers finish, agents go offline, locks are released. Idempotent. */
  close(options?: CloseBusOptions): Promise<void> {
    checkOptions(options, ['drainMs'], 'close options');
    checkDuration(options?.drainMs, 'drainMs', { min: 0, max: MAX_TIMER_MS });
    this.#closed ??= this.#close(options?.drainMs ?? DEFAULT_DRAIN_MS);
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(drainMs: number): Promise<void> {
    const { lifetime, leases, settings, transport } = this.#kernel;
    await lifetime.close(drainMs, (error) => this.#kernel.report(error, 'close'));
    leases.close();
    if (settings.ownsTransport) await transport.close();
  }
}

/** A bus over `transport`, which it owns from now on (unless `ownsTransport` is false). Throws INVALID_ARGUMENT. */
export function openBus(transport: Transport, options: BusOptions = {}): Bus {
  return new Bus(new BusKernel(transport, options));
}
