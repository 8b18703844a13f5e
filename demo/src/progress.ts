/** The progress of a run on stderr: one line that is repainted, or a line per second without a terminal. */

import type { DemoBus } from './bus/demo-bus.ts';
import { AUDITS, RESULTS } from './bus/names.ts';
import { count } from './report/report.ts';
import type { RunStats } from './report/run-stats.ts';

const REPAINT_MS = 250;
const LINE_MS = 1_000;
const STALL_MS = 60_000;

/** Writes lines of text, with one changing line below them on a terminal. */
export class StatusLine {
  readonly #out: NodeJS.WriteStream;
  #isPainted = false;
  #printedAt = Number.NEGATIVE_INFINITY;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  /** Changes the line. */
  show(text: string): void {
    if (this.#out.isTTY) {
      this.#out.write(`\r\x1b[2K${text.slice(0, (this.#out.columns ?? 80) - 1)}`);
      this.#isPainted = true;
    } else if (performance.now() - this.#printedAt >= LINE_MS) {
      this.#printedAt = performance.now();
      this.#out.write(`${text}\n`);
    }
  }

  /** Writes a line that stays. */
  say(text: string): void {
    this.clear();
    this.#out.write(`${text}\n`);
  }

  /** Removes the changing line. */
  clear(): void {
    if (this.#isPainted) this.#out.write('\r\x1b[2K');
    this.#isPainted = false;
  }
}

/** Shows the progress of a run, and reports a run in which nothing happens any more. */
export class Progress implements Disposable {
  readonly #stop = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #activeAt = performance.now();
  #begunAt: number | undefined;

  constructor({ bus }: DemoBus, stats: RunStats, line: StatusLine, onStall: (error: Error) => void) {
    const { signal } = this.#stop;
    let isBusy = false;
    this.#timer = setInterval(async () => {
      if (performance.now() - this.#activeAt > STALL_MS)
        onStall(new Error(`nothing happened for ${STALL_MS / 1000} s`));
      if (isBusy) return;
      isBusy = true;
      const { queues } = await bus.stats({ signal }).catch(() => ({ queues: [] }));
      isBusy = false;
      if (!signal.aborted) line.show(this.#describe(stats, queues));
    }, REPAINT_MS);
  }

  /** An event arrived. */
  touch(): void {
    this.#activeAt = performance.now();
  }

  /** Starts the clock of {@link seconds}. */
  begin(): void {
    this.#begunAt = performance.now();
  }

  get seconds(): number {
    return this.#begunAt === undefined ? 0 : (performance.now() - this.#begunAt) / 1000;
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    clearInterval(this.#timer);
  }

  #describe(
    { files, merged }: RunStats,
    queues: readonly { readonly name: string; readonly ready: number; readonly leased: number }[],
  ): string {
    if (files === undefined || this.#begunAt === undefined) return 'starting';
    const done = Math.min(merged, files);
    const depths = queues
      .filter(({ name }) => name === AUDITS || name === RESULTS)
      .map(({ name, ready, leased }) => `${name} ${count(ready + leased)}`);
    return `${count(done)}/${count(files)} files · ${count(done / this.seconds)}/s · queued: ${depths.join(', ')}`;
  }
}
