/** Signals such as Ctrl-C: the first asks the command to end, the second ends the process. */

import { exitCodeOfSignal } from './output/exit-codes.ts';

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** Handles signals until it is disposed of. */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #listener = (signal: NodeJS.Signals): void => this.#interrupt(signal);
  #exitCode: number | undefined;

  constructor() {
    for (const name of SIGNALS) process.on(name, this.#listener);
  }

  /** Aborts at the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The exit code after a signal. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  [Symbol.dispose](): void {
    for (const name of SIGNALS) process.off(name, this.#listener);
  }

  #interrupt(signal: NodeJS.Signals): void {
    if (this.#exitCode !== undefined) process.exit(this.#exitCode);
    this.#exitCode = exitCodeOfSignal(signal);
    this.#controller.abort();
  }
}
