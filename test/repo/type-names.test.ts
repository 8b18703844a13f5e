// A type name means one thing in a package.
import { describe, expect, test } from 'vitest';
import { manifests } from './manifests.ts';
import { read, repositoryFiles } from './sources.ts';

/** Names that still mean two things, by package. This list may only shrink. */
const known: Record<string, readonly string[]> = {};

const declaration = /^export\s+(?:declare\s+|abstract\s+)*(?:interface|type|class)\s+(\w+)/gm;
const packages = manifests().filter(({ folder }) => folder !== '.');

describe.each(packages.map(({ folder }) => folder))('%s', (folder) => {
  test('exports each type name from one file', () => {
    const files = new Map<string, string[]>();
    for (const file of repositoryFiles().filter((each) => each.startsWith(`${folder}/src/`) && each.endsWith('.ts'))) {
      for (const [, name = ''] of read(file).matchAll(declaration)) files.set(name, [...(files.get(name) ?? []), file]);
    }
    const several = [...files].filter(([name, places]) => new Set(places).size > 1 && !known[folder]?.includes(name));
    expect(several).toEqual([]);
  });
});
