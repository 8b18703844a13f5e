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
  readonly devDependencies: Record<string, string>;
  /** Development tools that the source of a private package may import. */
  readonly devOfPrivate: string[];
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
      devDependencies: {},
      ...data,
    };
    const devOfPrivate = manifest.private ? Object.keys(manifest.devDependencies) : [];
    return { ...manifest, folder: dirname(file), devOfPrivate } as Manifest;
  });
}
