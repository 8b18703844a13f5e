// Every import of the repository's TypeScript, as a list.
import { dirname, join } from 'node:path/posix';
import { read, repositoryFiles } from './sources.ts';

/** One import in one file. */
export interface Import {
  readonly file: string;
  readonly specifier: string;
  /** `import()` at run time. */
  readonly dynamic: boolean;
  /** Erased: `import type`, or `import('…').Name` in a type. */
  readonly type: boolean;
}

const statement = /^(?:import|export)\s(?<type>type\s)?[^'";]*?from\s*'(?<from>[^']+)'|^import\s*'(?<bare>[^']+)'/gm;
const call = /\bimport\(\s*['"`](?<called>[^'"`]+)['"`]\s*\)(?<member>\.\w+)?/g;

/** Imports of all TypeScript files whose path begins with one of the folders. */
export function importsIn(...folders: string[]): Import[] {
  const files = repositoryFiles().filter(
    (file) => file.endsWith('.ts') && folders.some((each) => file.startsWith(each)),
  );
  return files.flatMap((file) => importsOf(file, read(file)));
}

/** Imports of one file with this text. */
export function importsOf(file: string, text: string): Import[] {
  const code = text.replaceAll(/^\s*(?:\/?\*|\/\/).*$/gm, '');
  const statements = [...code.matchAll(statement)].map(({ groups = {} }) => ({
    file,
    specifier: groups['from'] ?? groups['bare'] ?? '',
    dynamic: false,
    type: groups['type'] !== undefined,
  }));
  const calls = [...code.matchAll(call)].map(({ groups = {} }) => ({
    file,
    specifier: groups['called'] ?? '',
    dynamic: groups['member'] === undefined,
    type: groups['member'] !== undefined,
  }));
  return [...statements, ...calls];
}

/** `@scope/name` or `name` of a package; undefined for a file or a part of Node. */
export function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('node:')) return undefined;
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

/** The file that a relative import means. */
export function targetOf({ file, specifier }: Import): string {
  return join(dirname(file), specifier);
}
