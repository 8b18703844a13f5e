/** Ctrl-C and its like: the first asks the command to end well, the second ends it. */

import { exitCodeOfSignal } from './output/exit-codes.ts';

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** Signals of the system, heard until disposed of. */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #listener = (signal: NodeJS.Signals): void => this.#hear(signal);
  #exitCode: number | undefined;

  constructor() {
    for (const name of SIGNALS) process.on(name, this.#listener);
  }

  /** Fires at the first. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The exit code of a command that was interrupted. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  [Symbol.dispose](): void {
    for (const name of SIGNALS) process.off(name, this.#listener);
  }

  #hear(signal: NodeJS.Signals): void {
    if (this.#exitCode !== undefined) process.exit(this.#exitCode);
    this.#exitCode = exitCodeOfSignal(signal);
    this.#controller.abort();
  }
}
