// The tables of options in READMEs are those of the code. BUSBAR_WRITE_TABLES=1 writes them.
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import type { OptionTable } from '@busbar/api/driver';
import { expect, test } from 'vitest';

const HEAD = '| option | default | meaning |';
const TABLES = /^\| option \| default \| meaning \|\n(?:\|.*\n)+/gm;

/** The files with tables, by package. */
const folders = Map.groupBy(globSync('packages/{transport-*,compose}/src/{,*/}options.ts').sort(), (file) =>
  file.split(sep).slice(0, 2).join(sep),
);

test.each([...folders])('%s', async (folder, files) => {
  const tables = (await Promise.all(files.map(tablesOf))).flat();
  const path = join(folder, 'README.md');
  const exists = existsSync(path);
  const readme = exists ? readFileSync(path, 'utf8') : '';
  if (process.env['BUSBAR_WRITE_TABLES'] === '1' && tables.length > 0) {
    const left = [...tables];
    const written = readme.replaceAll(TABLES, (table) => `${left.shift() ?? table.trimEnd()}\n`);
    writeFileSync(path, `${written}${left.map((table) => `\n${table}\n`).join('')}`);
    return;
  }
  expect(exists, `${path} is missing; BUSBAR_WRITE_TABLES=1 writes the table`).toBe(true);
  expect(readme.match(TABLES)?.map((table) => table.trimEnd()) ?? []).toEqual(tables);
});

async function tablesOf(file: string): Promise<string[]> {
  const exported: Record<string, unknown> = await import(resolve(file));
  const tables = Object.values(exported).filter(isTable);
  return tables.map((table) => table.toMarkdown()).filter((table) => table.startsWith(HEAD));
}

function isTable(value: unknown): value is OptionTable<object, object> {
  return typeof value === 'object' && value !== null && 'toMarkdown' in value;
}
