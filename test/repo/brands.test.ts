// A program can have two copies of a package. So no package asks whether a value is `instanceof` a class of another.
import { expect, test } from 'vitest';
import { read, repositoryFiles } from './sources.ts';

const imported = /import\s*\{([^}]*)\}\s*from\s*'@busbar\/[^']+'/g;
const asked = /\binstanceof\s+(\w+)|\bisA\([^,()]+,\s*(\w+)\)/g;

test('classes of other packages are recognised by their brand', () => {
  const sources = repositoryFiles().filter((file) => /^packages\/[^/]+\/src\/.*\.ts$/.test(file));
  expect(sources.length).toBeGreaterThan(200);
  expect(sources.flatMap((file) => foreignClasses(file, read(file)))).toEqual([]);
});

test('it finds them', () => {
  const text =
    "import { BusbarError, quote } from '@busbar/api/transport';\nif (error instanceof BusbarError) throw error;";
  expect(foreignClasses('x.ts', text)).toEqual(['x.ts asks for BusbarError']);
});

function foreignClasses(file: string, text: string): string[] {
  const names = [...text.matchAll(imported)].flatMap(([, list = '']) => list.split(',').map((name) => name.trim()));
  const classes = [...text.matchAll(asked)].map(([, first, second]) => first ?? second ?? '');
  return classes.filter((name) => names.includes(name)).map((name) => `${file} asks for ${name}`);
}
