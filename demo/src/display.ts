/** The live display on stderr: repainted on a terminal, a line a second elsewhere. */

import { count } from './table.ts';

/** What is shown. */
export interface Frame {
  readonly done: number;
  readonly files: number | undefined;
  readonly seconds: number;
  readonly agents: number;
  /** Name and depth of each queue. */
  readonly queues: readonly (readonly [string, number])[];
  readonly killed: number;
}

const BAR = 28;
const LINE_EVERY_MS = 1000;

/** Shows frames on a stream. */
export class Display {
  readonly #out: NodeJS.WriteStream;
  #painted = false;
  #lastLineAt = 0;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  show(frame: Frame): void {
    if (this.#out.isTTY) {
      this.#out.write(`\r\x1b[2K${paint(frame).slice(0, (this.#out.columns ?? 80) - 1)}`);
      this.#painted = true;
    } else if (performance.now() - this.#lastLineAt >= LINE_EVERY_MS) {
      this.#lastLineAt = performance.now();
      this.#out.write(`${describe(frame)}\n`);
    }
  }

  /** Writes a line of its own, above what is painted. */
  say(text: string): void {
    this.end();
    this.#out.write(`${text}\n`);
  }

  /** Leaves the painted line as it is. */
  end(): void {
    if (this.#painted) this.#out.write('\n');
    this.#painted = false;
  }
}

function paint(frame: Frame): string {
  const share = frame.files ? Math.min(1, frame.done / frame.files) : 0;
  const full = Math.round(share * BAR);
  return `${'█'.repeat(full)}${'░'.repeat(BAR - full)} ${describe(frame)}`;
}

function describe({ done, files, seconds, agents, queues, killed }: Frame): string {
  const rate = seconds > 0 ? count(done / seconds) : '0';
  const depths = queues.map(([name, depth]) => `${name} ${count(depth)}`).join(', ');
  const dead = killed > 0 ? ` · ${killed} killed` : '';
  return `${count(done)}/${files === undefined ? '?' : count(files)} files · ${rate}/s · ${agents} agents online · ${depths}${dead}`;
}
