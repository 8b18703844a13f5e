/** Where a run is, how much time is left, and whether it has time for more. */

/** The progress of a plan. Its estimates are corrected by the time that the first measurements took. */
export class Progress {
  readonly #limitSeconds: number;
  readonly #began = performance.now();
  #plannedLeft: number;
  #plannedDone = 0;

  constructor(plannedSeconds: number, limitSeconds: number) {
    this.#plannedLeft = plannedSeconds;
    this.#limitSeconds = limitSeconds;
  }

  /** True if a measurement that takes about so long ends within the limit. */
  hasTimeFor(plannedSeconds: number): boolean {
    return this.#elapsed + plannedSeconds * this.#pace <= this.#limitSeconds;
  }

  /** Shows on a terminal what is measured now. */
  show(what: string): void {
    const left = Math.max(0, Math.min(this.#plannedLeft * this.#pace, this.#limitSeconds - this.#elapsed));
    showLine(`${what} · ${clock(this.#elapsed)} gone, about ${clock(left)} left`);
  }

  /** A measurement of that estimate has ended, or is left out. */
  done(plannedSeconds: number, measured: boolean): void {
    this.#plannedLeft -= plannedSeconds;
    if (measured) this.#plannedDone += plannedSeconds;
  }

  end(): void {
    showLine('');
  }

  get #elapsed(): number {
    return (performance.now() - this.#began) / 1000;
  }

  /** Real seconds for each planned one. The first minute counts as planned. */
  get #pace(): number {
    return (this.#elapsed + HEAD_START) / (this.#plannedDone + HEAD_START);
  }
}

const HEAD_START = 60;

/** `3:07` for 187 seconds. */
export function clock(seconds: number): string {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

/** One line that the next one overwrites. */
function showLine(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`${text}\x1b[K\r`);
}
