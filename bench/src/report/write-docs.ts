/** Writes the tables of a run into a section of docs/benchmarks.md, between two marks. */

import { readFileSync, writeFileSync } from 'node:fs';

const DOCUMENT = new URL('../../../docs/benchmarks.md', import.meta.url);

/** The sections of the document with figures. */
export const SECTIONS = ['all', 'nats', 'members', 'compositions'] as const;

/** The name of a section. */
export type Section = (typeof SECTIONS)[number];

/** Replaces the text between the marks of a section. */
export function writeDocs(section: Section, paragraphs: readonly string[]): void {
  const text = readFileSync(DOCUMENT, 'utf8');
  const begin = `<!-- ${section}:begin -->`;
  const before = text.slice(0, text.indexOf(begin) + begin.length);
  const after = text.slice(text.indexOf(`<!-- ${section}:end -->`));
  const date = new Date().toISOString().slice(0, 10);
  const command = ['npm run bench --', ...process.argv.slice(2)].join(' ');
  const figures = paragraphs.join('\n\n');
  writeFileSync(
    DOCUMENT,
    `${before}\n\nMeasured ${date} by \`${command}\`:\n\n\`\`\`text\n${figures}\n\`\`\`\n\n${after}`,
  );
}
