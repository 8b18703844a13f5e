/** Signals such as Ctrl-C: the first asks the command to end, the second ends the process. */

import { exitCodeOfSignal } from './output/exit-codes.ts';

/** How often to look whether the parent process is there. */
const LOOK_MS = 500;

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** Handles signals until it is disposed of. */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #listener = (signal: NodeJS.Signals): void => this.#interrupt(signal);
  readonly #parent = process.ppid;
  #looking: NodeJS.Timeout | undefined;
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

  /** Ends the command when its parent process has ended: then no process reads what it waits for. */
  endWithParent(): void {
    this.#looking ??= setInterval(() => {
      if (process.ppid === this.#parent) return;
      clearInterval(this.#looking);
      this.#interrupt('SIGHUP');
    }, LOOK_MS).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#looking);
    for (const name of SIGNALS) process.off(name, this.#listener);
  }

  #interrupt(signal: NodeJS.Signals): void {
    if (this.#exitCode !== undefined) process.exit(this.#exitCode);
    this.#exitCode = exitCodeOfSignal(signal);
    this.#controller.abort();
  }
}
