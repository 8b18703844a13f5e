// The package.json of every package.
import { dirname } from 'node:path/posix';
import { read, repositoryFiles } from './sources.ts';

/** The parts of a package.json that tests check. */
export interface Manifest {
  readonly folder: string;
  readonly name: string;
  readonly version: string;
  readonly private: boolean;
  readonly license: string;
  readonly type: string;
  readonly engines: Record<string, string>;
  readonly exports: Record<string, Record<string, string>>;
  readonly dependencies: Record<string, string>;
  readonly peerDependencies: Record<string, string>;
  /** Tools; of a published package those that its `dist/` has a copy of. */
  readonly devDependencies: Record<string, string>;
  readonly peerDependenciesMeta: Record<string, { readonly optional?: boolean }>;
}

/** Returns all manifests, including the root's. */
export function manifests(): Manifest[] {
  const files = repositoryFiles().filter((file) => /^((packages\/)?[^/]+\/)?package\.json$/.test(file));
  return files.map((file) => {
    const data = JSON.parse(read(file)) as Partial<Manifest>;
    const manifest = {
      private: false,
      exports: {},
      dependencies: {},
      peerDependencies: {},
      peerDependenciesMeta: {},
      devDependencies: {},
      ...data,
    };
    return { ...manifest, folder: dirname(file) } as Manifest;
  });
}
