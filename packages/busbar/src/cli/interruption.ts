/** Signals such as Ctrl-C: the first asks the command to end, the second ends the process, or running work. */

import { exitCodeOfSignal } from './output/exit-codes.ts';

/** How often to look whether the parent process and the reader of the output are there. */
const LOOK_MS = 500;

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** Handles signals until it is disposed of. */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #forced = Promise.withResolvers<void>();
  readonly #listener = (signal: NodeJS.Signals): void => this.#interrupt(signal);
  readonly #parent = process.ppid;
  #looking: NodeJS.Timeout | undefined;
  #probing: NodeJS.Timeout | undefined;
  #name: NodeJS.Signals | undefined;
  #drains = false;

  constructor() {
    for (const name of SIGNALS) process.on(name, this.#listener);
  }

  /** Aborts at the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The exit code after a signal. */
  get exitCode(): number | undefined {
    return this.#name === undefined ? undefined : exitCodeOfSignal(this.#name);
  }

  /** The first signal. */
  get name(): NodeJS.Signals | undefined {
    return this.#name;
  }

  /** The first signal lets running work end. Resolves with the second one; the third ends the process. */
  drainFirst(): Promise<void> {
    this.#drains = true;
    return this.#forced.promise;
  }

  /** Ends the command when its parent process has ended: then no process reads what it waits for. */
  endWithParent(): void {
    this.#looking ??= setInterval(() => {
      if (process.ppid === this.#parent) return;
      clearInterval(this.#looking);
      this.#interrupt('SIGHUP');
    }, LOOK_MS).unref();
  }

  /** Ends the command when its output has no reader any more. */
  endWithReader(): void {
    this.#probing ??= setTimeout(() => void this.#probe(), LOOK_MS).unref();
  }

  async #probe(): Promise<void> {
    const { openReaderProbe } = await import('./output/reader-probe.ts');
    const hasGone = await openReaderProbe().catch(() => undefined);
    if (hasGone === undefined || this.#name !== undefined) return;
    this.#probing = setInterval(() => {
      if (!hasGone()) return;
      clearInterval(this.#probing);
      this.#interrupt('SIGPIPE');
    }, LOOK_MS).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#looking);
    clearInterval(this.#probing);
    for (const name of SIGNALS) process.off(name, this.#listener);
  }

  #interrupt(signal: NodeJS.Signals): void {
    if (this.#name !== undefined && !this.#drains) process.exit(this.exitCode);
    if (this.#name !== undefined) {
      this.#drains = false;
      this.#forced.resolve();
      return;
    }
    this.#name = signal;
    this.#controller.abort();
  }
}
