/** Takes source text apart into code and comments, line by line in place, strings blanked. */

import type { Language } from './language.ts';

/** The two halves: both have the line breaks of the source. */
export interface Stripped {
  readonly code: string;
  readonly comments: string;
}

interface Ending {
  readonly text: string;
  readonly into: 'comment' | 'string';
}

/** Separates comments from code; the inside of strings is in neither. One pass, whatever the text is. */
export function stripSource(text: string, language: Language): Stripped {
  const code: string[] = [];
  const comments: string[] = [];
  let ending: Ending | undefined;
  let index = 0;
  while (index < text.length) {
    const char = text.charAt(index);
    if (char === '\n') {
      code.push('\n');
      comments.push('\n');
      if (ending !== undefined && endsWithLine(ending)) ending = undefined;
      index += 1;
    } else if (ending !== undefined) {
      const step = inside(text, index, ending);
      if (ending.into === 'comment') comments.push(text.slice(index, index + step.length));
      if (step.ends) ending = undefined;
      index += step.length;
    } else {
      ending = opening(text, index, language);
      const length = ending === undefined ? 1 : openingLength(text, index, language);
      if (ending === undefined) code.push(char);
      index += length;
    }
  }
  return { code: code.join(''), comments: comments.join('') };
}

/** A comment to the end of the line, and a string that a careless line left open. */
function endsWithLine({ text, into }: Ending): boolean {
  return text === '\n' || (into === 'string' && (text === '"' || text === "'"));
}

function inside(text: string, index: number, ending: Ending): { length: number; ends: boolean } {
  if (text.startsWith(ending.text, index)) return { length: ending.text.length, ends: true };
  const escapes = ending.into === 'string' && text.charAt(index) === '\\' && text.charAt(index + 1) !== '\n';
  return { length: escapes ? 2 : 1, ends: false };
}

function opening(text: string, index: number, language: Language): Ending | undefined {
  if (language.line.some((mark) => text.startsWith(mark, index))) return { text: '\n', into: 'comment' };
  const block = language.block.find(([begin]) => text.startsWith(begin, index));
  if (block !== undefined) return { text: block[1], into: 'comment' };
  const quote = language.quotes.find((mark) => text.startsWith(mark, index));
  return quote === undefined ? undefined : { text: quote, into: 'string' };
}

function openingLength(text: string, index: number, language: Language): number {
  const marks = [...language.line, ...language.block.map(([begin]) => begin), ...language.quotes];
  return marks.find((mark) => text.startsWith(mark, index))?.length ?? 1;
}
