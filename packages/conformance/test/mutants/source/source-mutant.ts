// A source mutant: one broken line of a package, the backend that runs it, and the case that must fail.
import { readFileSync } from 'node:fs';

/**
 * The backends. The hub is the one of Unix sockets over SQLite, zmq one over ZeroMQ, the hybrid one of memory and SQLite, migrate
 * a move between two files that is refused.
 */
export type SourceBackend = 'memory' | 'sqlite' | 'redis' | 'nats' | 'hub' | 'zmq' | 'hybrid' | 'migrate';

export interface SourceMutant {
  /** Its broken behaviour in a few words. */
  readonly name: string;
  readonly backend: SourceBackend;
  /** The file that it changes, below `packages`. */
  readonly file: string;
  /** A text that the file has exactly once. */
  readonly find: string;
  readonly replace: string;
  /** The id of the case that fails on it and passes on the intact source. */
  readonly killedBy: string;
}

/** Mutants of one backend; their files are below `folder`, a folder of `packages`. */
export function mutantsOf(
  backend: SourceBackend,
  folder: string,
  mutants: readonly Omit<SourceMutant, 'backend'>[],
): SourceMutant[] {
  return mutants.map((mutant) => ({ ...mutant, backend, file: `${folder}/${mutant.file}` }));
}

/** The variable that names the mutant of a process and of its children, as JSON. */
export const VARIABLE = 'BUSBAR_TEST_MUTANT';

const PACKAGES = new URL('../../../../', import.meta.url);

/** The URL of the file that a mutant changes. */
export function urlOf({ file }: SourceMutant): string {
  return new URL(file, PACKAGES).href;
}

/** The changed text of its file. Throws unless the file has `find` exactly once. */
export function mutate(mutant: SourceMutant, text: string = readFileSync(new URL(urlOf(mutant)), 'utf8')): string {
  const { name, file, find, replace } = mutant;
  const parts = text.split(find);
  const [before, after] = parts;
  if (before === undefined || after === undefined || parts.length !== 2) {
    throw new Error(`the mutant "${name}" no longer applies: ${file} has its text ${parts.length - 1} times, not once`);
  }
  return `${before}${replace}${after}`;
}
