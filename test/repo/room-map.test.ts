// docs/architecture.md names every source file, so that the map cannot fall behind the territory.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { manifests } from './manifests.ts';
import { read, repositoryFiles, root } from './sources.ts';

const map = 'docs/architecture.md';
const rooms = manifests().flatMap(({ folder }) => (folder === '.' ? [] : [folder]));
const drawn = existsSync(join(root, map));

describe.skipIf(!drawn)(map, () => {
  const sections = drawn ? sectionsOf(read(map)) : new Map<string, string[]>();

  test.each(rooms)('has a heading with `%s`, and under it each file of its src in backticks', (room) => {
    const names = sections.get(room) ?? [];
    const files = sourcesOf(room);
    expect(files.filter((file) => !names.some((name) => means(name, file)))).toEqual([]);
    expect(names.filter((name) => name.endsWith('.ts') && !files.some((file) => means(name, file)))).toEqual([]);
  });
});

/** Files of a room's src, without the `src/`. */
function sourcesOf(room: string): string[] {
  const start = `${room}/src/`;
  const files = repositoryFiles().filter((file) => file.startsWith(start) && file.endsWith('.ts'));
  return files.map((file) => file.slice(start.length));
}

/** What stands in backticks under the heading that names each room. */
function sectionsOf(text: string): Map<string, string[]> {
  const sections = new Map<string, string[]>();
  let names: string[] | undefined;
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) {
      const room = /`([^`]+)`/.exec(line)?.[1]?.replace(/\/$/, '');
      names = room !== undefined && rooms.includes(room) ? (sections.get(room) ?? []) : undefined;
      if (room !== undefined && names) sections.set(room, names);
    } else {
      names?.push(...[...line.matchAll(/`([^`\s]+)`/g)].map(([, name = '']) => name.replace(/^src\//, '')));
    }
  }
  return sections;
}

/** A name is a path within src; `*` stands for part of one file name. */
function means(name: string, file: string): boolean {
  const pattern = name.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*');
  return new RegExp(`^${pattern}$`).test(file);
}
