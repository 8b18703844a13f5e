/** Writes the tables of a run into docs/benchmarks.md, between two marks. */

import { readFileSync, writeFileSync } from 'node:fs';

const DOCUMENT = new URL('../../../docs/benchmarks.md', import.meta.url);
const BEGIN = '<!-- figures:begin -->';
const END = '<!-- figures:end -->';

/** Replaces the text between the marks. */
export function writeDocs(paragraphs: readonly string[]): void {
  const text = readFileSync(DOCUMENT, 'utf8');
  const before = text.slice(0, text.indexOf(BEGIN) + BEGIN.length);
  const after = text.slice(text.indexOf(END));
  const date = new Date().toISOString().slice(0, 10);
  const command = ['npm run bench --', ...process.argv.slice(2)].join(' ');
  const figures = paragraphs.join('\n\n');
  writeFileSync(
    DOCUMENT,
    `${before}\n\nMeasured ${date} by \`${command}\`:\n\n\`\`\`text\n${figures}\n\`\`\`\n\n${after}`,
  );
}
