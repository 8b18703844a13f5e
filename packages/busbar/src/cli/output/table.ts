/** Tables: aligned columns without borders. */

import type { Output, Style } from './output.ts';
import { cutToWidth, padToWidth, printableLine, widthOf } from './printable.ts';
import { styleOf } from './states.ts';

const GAP = '  ';
/** A longer name does not widen its column on a terminal. */
const MAX_KEPT = 40;
/** What the last column needs at least. */
const MIN_LAST = 12;
/** What names in the first column need at least. A longer one has a line of its own. */
const MIN_FIRST = 16;

interface Column {
  readonly name: string;
  readonly isRight: boolean;
  /** Its cells are never cut: the terminal breaks the line. */
  readonly isKept: boolean;
  /** It is left out where the terminal is too narrow, the last one first. */
  readonly isOptional: boolean;
  /** Its cells have the colour of what they mean. */
  readonly isStyled: boolean;
}

/** A part of a line that has a style. */
interface StyledPart {
  readonly start: number;
  readonly end: number;
  readonly style: Style;
}

/**
 * Rows under headings, as lines no wider than the terminal. Marks in front of a heading: `#` aligns its column right, `!` never
 * cuts its cells, `?` leaves it out where there is no room, `*` gives states and counts their colour. A row whose first cell is not cut and too wide becomes two lines.
 */
export function tableLines(headings: readonly string[], rows: readonly (readonly string[])[], out: Output): string[] {
  const all = headings.map(toColumn);
  const cells = rows.map((row) => row.map((cell) => printableLine(cell)));
  const widths = all.map((column, index) => widthOfColumn(column, index, cells, out.width));
  if (all[0]?.isKept) widths[0] = widthOfFirst(all, widths, out.width);
  const shown = chooseColumns(all, widths, out.width);
  const toLine = (row: readonly string[], isHeading = false): string => {
    let line = '';
    let kept = '';
    const parts: StyledPart[] = [];
    for (const index of shown) {
      const { isRight = false, isKept = false, isStyled = false } = all[index] ?? {};
      if (line !== '') line += GAP;
      const cell = row[index] ?? '';
      const left = line.length;
      line += padToWidth(cell, widths[index] ?? 0, isRight);
      if (isKept) kept = line.trimEnd();
      const style = isStyled && !isHeading ? styleOf(cell) : undefined;
      const start = isRight ? line.length - cell.length : left;
      if (style !== undefined) parts.push({ start, end: start + cell.length, style });
    }
    const plain = widthOf(kept) + 1 >= out.width ? kept : cutToWidth(line.trimEnd(), out.width);
    return paintParts(plain, plain.length < line.trimEnd().length ? plain.length - 1 : plain.length, parts, out);
  };
  const toLines = (row: readonly string[]): string[] => {
    const [first = '', ...rest] = row;
    const fits = out.width === Number.POSITIVE_INFINITY || !all[0]?.isKept || widthOf(first) <= (widths[0] ?? 0);
    return fits || rest.length === 0 ? [toLine(row)] : [first, toLine(['', ...rest])];
  };
  const heading = toLine(
    all.map(({ name }) => name),
    true,
  );
  return [out.paint('bold', heading), ...cells.flatMap(toLines)];
}

/** The line with its parts in their styles. What begins behind `end` was cut off. */
function paintParts(line: string, end: number, parts: readonly StyledPart[], out: Output): string {
  let painted = '';
  let at = 0;
  for (const { start, end: last, style } of parts.filter((part) => part.end <= end)) {
    painted += line.slice(at, start) + out.paint(style, line.slice(start, last));
    at = last;
  }
  return painted + line.slice(at);
}

/** The width of a first column of names: as much as is left by the numbers, and by the columns that are always shown. */
function widthOfFirst(columns: readonly Column[], widths: readonly number[], most: number): number {
  const [width = 0, ...others] = widths;
  const needed = others.reduce((sum, other, at) => {
    const { isOptional = false, isKept = false, isRight = false } = columns[at + 1] ?? {};
    const least = at + 2 === widths.length && !isKept ? Math.min(other, MIN_LAST) : other;
    return isOptional && !isRight ? sum : sum + GAP.length + least;
  }, 0);
  return Math.min(width, Math.max(MIN_FIRST, most - needed));
}

function toColumn(heading: string): Column {
  const [, marks = '', name = ''] = /^([#!?*]*)(.*)$/s.exec(heading) ?? [];
  const has = (mark: string): boolean => marks.includes(mark);
  return { name, isRight: has('#'), isKept: has('!'), isOptional: has('?'), isStyled: has('*') };
}

function widthOfColumn(
  { name, isKept }: Column,
  index: number,
  cells: readonly (readonly string[])[],
  most: number,
): number {
  const width = cells.reduce((widest, row) => Math.max(widest, widthOf(row[index] ?? '')), widthOf(name));
  return isKept && most < Number.POSITIVE_INFINITY ? Math.min(width, MAX_KEPT) : width;
}

/** The columns that have room. The last one may be cut. */
function chooseColumns(columns: readonly Column[], widths: readonly number[], most: number): number[] {
  const shown = columns.map((_, index) => index);
  const least = (index: number): number =>
    index === shown.at(-1) && columns[index]?.isKept === false
      ? Math.min(widths[index] ?? 0, MIN_LAST)
      : (widths[index] ?? 0);
  const width = (): number => shown.reduce((sum, index) => sum + least(index) + GAP.length, -GAP.length);
  while (width() > most) {
    const last = shown.findLastIndex((index) => columns[index]?.isOptional === true);
    if (last === -1) break;
    shown.splice(last, 1);
  }
  return shown;
}

/** `1 message`, `2 messages`. */
export function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : noun.endsWith('x') ? 'es' : 's'}`;
}
