// Dependency rules: imports between packages only go down.
import { describe, expect, test } from 'vitest';
import { type Import, importsIn, importsOf, packageOf, targetOf } from './imports.ts';
import { manifests } from './manifests.ts';

/** Packages that the source of each package may import. A package that is not listed is a transport and may import the api only. */
const siblings: Record<string, readonly string[]> = {
  'packages/api': [],
  'packages/testbed': [],
  'packages/wire': ['@busbar/api'],
  'packages/transport-socket': ['@busbar/api', '@busbar/wire'],
  'packages/transport-sqlite': ['@busbar/api', '@busbar/wire'],
  'packages/browser': ['@busbar/api', '@busbar/transport-socket', '@busbar/wire'],
  'packages/busbar': ['@busbar/api', '@busbar/conformance', '@busbar/compose', '@busbar/transport-*'],
  bench: ['*'],
  demo: ['@busbar/api', '@busbar/compose', '@busbar/testbed', 'busbar'],
};

/** Files of the api that may import Node modules, each with its reason. All others run anywhere. */
const apiFilesOnNode: Record<string, string> = {};

const packages = manifests().filter(({ folder }) => folder !== '.');

describe.each(packages.map(({ folder }) => folder))('%s', (folder) => {
  const imports = importsIn(`${folder}/src/`);

  test('imports only the siblings below it', () => {
    const allowed = siblings[folder] ?? ['@busbar/api'];
    expect(
      wrong(imports, ({ specifier }) => !isSibling(specifier) || allowed.some((each) => fits(each, specifier))),
    ).toEqual([]);
  });

  test('declares what it imports', () => {
    const manifest = packages.find((one) => one.folder === folder)!;
    const { dependencies, peerDependencies, devDependencies } = manifest;
    const declared = Object.keys({ ...dependencies, ...peerDependencies, ...devDependencies });
    expect(wrong(imports, ({ specifier }) => [undefined, ...declared].includes(packageOf(specifier)))).toEqual([]);
  });

  test('reaches into no other package, and no file inside imports its index', () => {
    const relative = imports.filter(({ specifier }) => specifier.startsWith('.'));
    expect(wrong(relative, (each) => targetOf(each).startsWith(`${folder}/src/`))).toEqual([]);
    expect(wrong(relative, (each) => targetOf(each) !== `${folder}/src/index.ts`)).toEqual([]);
  });
});

test.each(['packages/api', 'packages/browser'])('%s runs anywhere: it imports nothing of Node', (folder) => {
  const imports = importsIn(`${folder}/src/`).filter(({ specifier }) => specifier.startsWith('node:'));
  expect(wrong(imports, ({ file, type }) => type || file in apiFilesOnNode)).toEqual([]);
});

test('the front door loads backends on demand, in one file; its entry for tests has the one in memory', () => {
  const backends = importsIn('packages/busbar/src/').filter(({ specifier }) => fits('@busbar/transport-*', specifier));
  const isFree = ({ type, dynamic, file }: Import): boolean =>
    type || (dynamic && file.endsWith('/schemes.ts')) || file === 'packages/busbar/src/testing.ts';
  expect(wrong(backends, isFree)).toEqual([]);
  const suite = importsIn('packages/busbar/src/').filter(({ specifier }) => fits('@busbar/conformance', specifier));
  expect(wrong(suite, ({ type, dynamic }) => type || dynamic)).toEqual([]);
});

test('tests of one transport import no other', () => {
  const transports = importsIn('packages/transport-').filter(({ file }) => file.includes('/test/'));
  const own = (file: string): string => `@busbar/${file.split('/')[1]}`;
  const foreign = ({ file, specifier }: Import): boolean =>
    fits('@busbar/transport-*', specifier) && !fits(own(file), specifier);
  expect(wrong(transports, (each) => !foreign(each))).toEqual([]);
});

test('imports are found in every form', () => {
  const text = [
    `import type { A } from 'a';`,
    `import {\n  b,\n} from '@scope/b/c';`,
    `export * from './d.ts';`,
    `import 'e';`,
    `const f = await import('f');`,
    `let g: import('g').G;`,
    `/** import { no } from 'comment'; */`,
    ` * {@link import('no')}`,
  ].join('\n');
  const found = importsOf('x.ts', text).map(({ specifier, type, dynamic }) => [specifier, type, dynamic]);
  expect(found).toEqual([
    ['a', true, false],
    ['@scope/b/c', false, false],
    ['./d.ts', false, false],
    ['e', false, false],
    ['f', false, true],
    ['g', true, false],
  ]);
});

function isSibling(specifier: string): boolean {
  const name = packageOf(specifier) ?? '';
  return name === 'busbar' || name.startsWith('@busbar/');
}

function fits(pattern: string, specifier: string): boolean {
  const name = packageOf(specifier) ?? '';
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

function wrong(imports: readonly Import[], isRight: (each: Import) => boolean): string[] {
  return imports.filter((each) => !isRight(each)).map(({ file, specifier }) => `${file} imports ${specifier}`);
}
