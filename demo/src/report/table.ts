/** Text in columns, for a terminal. */

/** Rows in columns: numbers to the right, all else to the left. */
export function table(rows: readonly (readonly string[])[], indent = ''): string {
  const widths: number[] = [];
  for (const row of rows)
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  const lines = rows.map((row) =>
    row
      .map((cell, index) =>
        isNumber(cell) && index < row.length - 1 ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0),
      )
      .join('  '),
  );
  return lines.map((line) => `${indent}${line}`.trimEnd()).join('\n');
}

/** A whole number with thousands apart. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** A share of a whole. */
export function percent(part: number, whole: number): string {
  return `${whole === 0 ? '0.0' : ((part / whole) * 100).toFixed(1)} %`;
}

/** A number of bytes. */
export function size(bytes: number): string {
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Text of others without what a terminal would obey. */
export function hidden(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '�');
}

function isNumber(cell: string): boolean {
  return /^[\d,.]+(?: %)?$/.test(cell);
}
