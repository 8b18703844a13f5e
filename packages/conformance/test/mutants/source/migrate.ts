// Mutants of a move to another store.
import { mutantsOf, type SourceMutant } from './source-mutant.ts';

export const mutants: readonly SourceMutant[] = mutantsOf('migrate', 'compose/src/migrate', [
  {
    name: 'a verify that does not look',
    file: 'mover.ts',
    find: 'checkEqual(differences);\n    await',
    replace: 'await',
    killedBy: 'X1',
  },
  {
    name: 'a verify that compares the source with itself',
    file: 'mover.ts',
    find: 'exportOf(this.#to.transport,',
    replace: 'exportOf(this.#from.transport,',
    killedBy: 'X1',
  },
]);
