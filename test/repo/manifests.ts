// The package.json of every room.
import { dirname } from 'node:path/posix';
import { read, repositoryFiles } from './sources.ts';

/** What the tests ask of a package.json. */
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
  readonly devDependencies: Record<string, string>;
  /** Development tools that the source may import, since nobody installs a private package. */
  readonly devOfPrivate: string[];
}

/** All of them, the root's included. */
export function manifests(): Manifest[] {
  const files = repositoryFiles().filter((file) => /^((packages\/)?[^/]+\/)?package\.json$/.test(file));
  return files.map((file) => {
    const data = JSON.parse(read(file)) as Partial<Manifest>;
    const manifest = {
      private: false,
      exports: {},
      dependencies: {},
      peerDependencies: {},
      devDependencies: {},
      ...data,
    };
    const devOfPrivate = manifest.private ? Object.keys(manifest.devDependencies) : [];
    return { ...manifest, folder: dirname(file), devOfPrivate } as Manifest;
  });
}
