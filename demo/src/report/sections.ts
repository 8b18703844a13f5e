/** Sections of a report, and the two ways to write them. */

import { table } from './table.ts';

/** A title with rows in columns. */
export interface Section {
  readonly title: string;
  /** 1 is a part of the report, 2 a list in it. */
  readonly level: 1 | 2;
  readonly rows: readonly (readonly string[])[];
}

const WIDTH = 78;

/** For a terminal. */
export function toText(sections: readonly Section[]): string {
  const parts = sections.map(({ title, level, rows }) => {
    if (level === 2) return `${title}\n${table(rows, '  ')}`;
    const line = '─'.repeat(Math.min(WIDTH, Math.max(title.length, 20)));
    return [title, line, ...(rows.length > 0 ? ['', table(rows)] : [])].join('\n');
  });
  return `${parts.join('\n\n')}\n`;
}

/** For a file: Markdown, rows as indented code, which needs no escapes. */
export function toMarkdown(sections: readonly Section[]): string {
  const parts = sections.map(({ title, level, rows }) => {
    const heading = `${'#'.repeat(level)} ${title.replace(/[\\`*_[\]<>#|~]/g, '\\$&')}`;
    return rows.length > 0 ? `${heading}\n\n${table(rows, '    ')}` : heading;
  });
  return `${parts.join('\n\n')}\n`;
}
