/** Ends a process in order when the system asks for it. */

import { constants } from 'node:os';
import { inspect } from 'node:util';
import { type Bus, BusbarError, type CloseOptions } from '@busbar/api';

/** What {@link shutdownOn} may do, besides how long handlers may go on. */
export interface ShutdownOptions extends CloseOptions {
  /** Runs when the handlers have ended and before the bus is closed, such as to close a database. Errors are printed. */
  readonly beforeClose?: (() => void | Promise<void>) | undefined;
}

/**
 * On the first of `signals` the bus takes no more messages, lets running handlers end for `drainMs` (default 5,000), and is
 * closed. Then the process ends by that signal. A second signal ends it at once; leases then end by themselves. Returns a
 * function that undoes it. Throws INVALID_ARGUMENT.
 */
export function shutdownOn(signals: readonly `SIG${string}`[], bus: Bus, options: ShutdownOptions = {}): () => void {
  checkSignals(signals);
  const { drainMs = 5_000, beforeClose } = options;
  const forget = (): void => {
    for (const signal of signals) process.off(signal, onSignal);
  };
  let isEnding = false;
  const endBy = (signal: NodeJS.Signals): void => {
    forget();
    process.kill(process.pid, signal);
  };
  const onSignal = async (signal: NodeJS.Signals): Promise<void> => {
    if (isEnding) return endBy(signal);
    isEnding = true;
    try {
      await bus.drain({ timeoutMs: drainMs });
      await beforeClose?.();
    } catch (error) {
      process.stderr.write(`busbar: beforeClose failed: ${inspect(error)}\n`);
    }
    await bus.close({ drainMs: 0 }).catch(() => undefined);
    endBy(signal);
  };
  for (const signal of signals) process.on(signal, onSignal);
  return forget;
}

const UNSTOPPABLE = ['SIGKILL', 'SIGSTOP'];

function checkSignals(signals: unknown): void {
  const isName = (name: unknown): boolean =>
    typeof name === 'string' && Object.hasOwn(constants.signals, name) && !UNSTOPPABLE.includes(name);
  if (Array.isArray(signals) && signals.length > 0 && signals.every(isName)) return;
  throw new BusbarError('INVALID_ARGUMENT', 'signals must be a list of names of signals that a process can handle', {
    hint: "Write shutdownOn(['SIGTERM', 'SIGINT'], bus).",
  });
}
