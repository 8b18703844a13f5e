// The bundle for pages: its size, and what it must not contain.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { bundlePage } from '../../../scripts/bundle-page.ts';

/** Less than 30 KB, however one counts them. */
const MAX_BYTES = 30_000;
const ENTRY = fileURLToPath(new URL('../src/index.ts', import.meta.url));

test('the client is smaller than 30 KB with gzip, in one file that runs without Node', async () => {
  const { code, imports, dynamicImports, exports } = await bundlePage(ENTRY);
  expect(exports).toContain('connect');
  // Browsers without explicit resource management get its symbols.
  expect(code).toMatch(/defineProperty\(Symbol/);
  expect([...imports, ...dynamicImports]).toEqual([]);
  expect(code.match(/["'`]node:[\w/]+["'`]|\bBuffer\.(from|alloc\w*|byteLength)\b|\brequire\(/g)).toBeNull();
  expect(gzipSync(code, { level: 9 }).byteLength).toBeLessThan(MAX_BYTES);
});

test.each(['options.ts', 'page-bus.ts'])('the types of users, in %s, need the api only', (file) => {
  const source = readFileSync(new URL(`../src/${file}`, import.meta.url), 'utf8');
  const imported = [...source.matchAll(/ from '([^']+)'/g)].map(([, name = '']) => name);
  expect(imported.filter((name) => !name.startsWith('@busbar/api/'))).toEqual([]);
});
