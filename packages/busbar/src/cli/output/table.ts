/** Tables: aligned columns without borders. */

import type { Output } from './output.ts';
import { cutToWidth, padToWidth, printableLine, widthOf } from './printable.ts';

const GAP = '  ';

/** Rows under headings, as lines no wider than the terminal. A heading with `#` in front aligns its column right. */
export function tableLines(headings: readonly string[], rows: readonly (readonly string[])[], out: Output): string[] {
  const cells = rows.map((row) => row.map((cell) => printableLine(cell)));
  const names = headings.map((heading) => heading.replace(/^#/, ''));
  const widths = names.map((name, column) =>
    [names, ...cells].reduce((width, row) => Math.max(width, widthOf(row[column] ?? '')), name.length),
  );
  const align = (row: readonly string[]): string =>
    row
      .map((cell, column) => padToWidth(cell, widths[column] ?? 0, headings[column]?.startsWith('#') === true))
      .join(GAP)
      .trimEnd();
  const cut = (line: string): string => cutToWidth(line, out.width);
  return [out.paint('bold', cut(align(names))), ...cells.map((row) => cut(align(row)))];
}

/** `1 message`, `2 messages`. */
export function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : noun.endsWith('x') ? 'es' : 's'}`;
}
