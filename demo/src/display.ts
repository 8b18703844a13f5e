/** The live display on stderr: repainted on a terminal, a line now and then elsewhere. */

import { count } from './table.ts';

/** What is shown. */
export interface Frame {
  /** What goes on: files are found, audited, or events counted. */
  readonly phase: string;
  readonly done: number;
  readonly files: number;
  readonly seconds: number;
  readonly agents: number;
  /** Name and depth of each queue. */
  readonly queues: readonly (readonly [string, number])[];
}

const BAR = 24;
const LINE_EVERY_MS = 1_000;

/** Shows frames on a stream. */
export class Display {
  readonly #out: NodeJS.WriteStream;
  #isPainted = false;
  #lineAt = Number.NEGATIVE_INFINITY;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  show(frame: Frame): void {
    if (this.#out.isTTY) {
      this.#out.write(`\r\x1b[2K${paint(frame).slice(0, (this.#out.columns ?? 80) - 1)}`);
      this.#isPainted = true;
    } else if (performance.now() - this.#lineAt >= LINE_EVERY_MS) {
      this.#lineAt = performance.now();
      this.#out.write(`${describe(frame)}\n`);
    }
  }

  /** Writes a line of its own; the next frame is painted below it. */
  say(text: string): void {
    if (this.#isPainted) this.#out.write('\r\x1b[2K');
    this.#isPainted = false;
    this.#out.write(`${text}\n`);
  }

  /** Leaves the last frame where it is. */
  end(): void {
    if (this.#isPainted) this.#out.write('\n');
    this.#isPainted = false;
  }
}

function paint(frame: Frame): string {
  const share = frame.files > 0 ? Math.min(1, frame.done / frame.files) : 0;
  const full = Math.round(share * BAR);
  return `${'█'.repeat(full)}${'░'.repeat(BAR - full)} ${describe(frame)}`;
}

function describe({ phase, done, files, seconds, agents, queues }: Frame): string {
  const rate = count(seconds > 0 ? done / seconds : 0);
  const depths = queues.map(([name, depth]) => `${count(depth)} ${name}`).join(', ');
  return `${count(done)}/${count(files)} files ${phase}, ${rate}/s · ${agents} agents online · queued: ${depths}`;
}
