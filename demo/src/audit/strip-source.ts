/** Takes lines of source apart into code and comments; the inside of strings is in neither. */

import type { Language } from './language.ts';

/** The two halves of a line. */
export interface StrippedLine {
  readonly code: string;
  readonly comment: string;
}

/** What was opened, and what closes it. */
interface Span {
  readonly kind: 'comment' | 'string';
  /** Ends a comment; undefined where the end of the line does. */
  readonly close: string | undefined;
  /** Finds the end of a string, or what an escape hides. */
  readonly scan: RegExp | undefined;
  readonly endsWithLine: boolean;
}

/** Takes the lines of one file apart, in their order: comments and strings may go over several. */
export class SourceStripper {
  readonly #spans: ReadonlyMap<string, Span>;
  readonly #openings: RegExp;
  #open: Span | undefined;

  constructor(language: Language) {
    this.#spans = spansOf(language);
    this.#openings = new RegExp([...this.#spans.keys()].map(escapeMark).join('|'), 'g');
  }

  strip(line: string): StrippedLine {
    let code = '';
    let comment = '';
    for (let at = 0; at < line.length; ) {
      const begin = at;
      if (this.#open === undefined) at = this.#findOpening(line, at);
      if (this.#open === undefined) code += line.slice(begin);
      else {
        code += line.slice(begin, at);
        const { kind } = this.#open;
        const end = this.#findEnd(line, Math.max(at, this.#openings.lastIndex), this.#open);
        if (kind === 'comment') comment += line.slice(at, end);
        at = end;
      }
    }
    this.#openings.lastIndex = 0;
    if (this.#open?.endsWithLine === true) this.#open = undefined;
    return { code, comment };
  }

  /** Where the next span opens; the search goes on behind its mark. */
  #findOpening(line: string, from: number): number {
    this.#openings.lastIndex = from;
    const mark = this.#openings.exec(line);
    if (mark !== null) this.#open = this.#spans.get(mark[0]);
    return mark?.index ?? line.length;
  }

  /** Where the open span is over, or the line is. */
  #findEnd(line: string, from: number, { close, scan }: Span): number {
    if (scan !== undefined) {
      scan.lastIndex = from;
      for (let found = scan.exec(line); found !== null; found = scan.exec(line)) {
        if (!found[0].startsWith('\\')) return this.#end(scan.lastIndex);
      }
    } else if (close !== undefined) {
      const at = line.indexOf(close, from);
      if (at >= 0) return this.#end(at + close.length);
    }
    return line.length;
  }

  #end(at: number): number {
    this.#open = undefined;
    return at;
  }
}

function spansOf({ line, block, quotes }: Language): Map<string, Span> {
  const spans = new Map<string, Span>();
  for (const mark of line) spans.set(mark, { kind: 'comment', close: undefined, scan: undefined, endsWithLine: true });
  for (const [begin, close] of block) {
    spans.set(begin, { kind: 'comment', close, scan: undefined, endsWithLine: false });
  }
  for (const quote of quotes) {
    const scan = new RegExp(`\\\\[^]|${escapeMark(quote)}`, 'g');
    // A careless line may leave one open: only those that are meant to go on do.
    const endsWithLine = quote === '"' || quote === "'";
    spans.set(quote, { kind: 'string', close: undefined, scan, endsWithLine });
  }
  return spans;
}

function escapeMark(mark: string): string {
  return mark.replace(/[*/]/g, '\\$&');
}
