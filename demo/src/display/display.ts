/** The live display on stderr: repainted on a terminal, a line now and then elsewhere. */

/** What is shown: a line, and how much of the work is done where that is known. */
export interface Frame {
  readonly text: string;
  /** From 0 to 1. */
  readonly share?: number;
}

const BAR = 16;
const LINE_EVERY_MS = 1_000;

/** Shows frames on a stream. */
export class Display {
  readonly #out: NodeJS.WriteStream;
  #isPainted = false;
  #lineAt = Number.NEGATIVE_INFINITY;
  #lastLine = '';

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  show(frame: Frame): void {
    if (this.#out.isTTY) {
      this.#out.write(`\r\x1b[2K${paint(frame).slice(0, (this.#out.columns ?? 80) - 1)}`);
      this.#isPainted = true;
    } else this.#print(frame.text);
  }

  /** Writes a line of its own; the next frame is painted below it. */
  say(text: string): void {
    this.clear();
    this.#out.write(`${text}\n`);
  }

  /** Takes the last frame away. */
  clear(): void {
    if (this.#isPainted) this.#out.write('\r\x1b[2K');
    this.#isPainted = false;
  }

  #print(line: string): void {
    if (line === this.#lastLine || performance.now() - this.#lineAt < LINE_EVERY_MS) return;
    this.#lineAt = performance.now();
    this.#lastLine = line;
    this.#out.write(`${line}\n`);
  }
}

function paint({ text, share }: Frame): string {
  if (share === undefined) return text;
  const full = Math.round(Math.min(1, share) * BAR);
  return `${'█'.repeat(full)}${'░'.repeat(BAR - full)} ${text}`;
}
