// The harness of the mutants of a move: when a case opens its bus again, a move to a target that loses messages is refused.
import { isBusbarError } from '@busbar/api/transport';
import type { Harness } from '@busbar/conformance';
import { tempDir } from '@busbar/testbed';
import { moveBus, openMigrate } from '../src/index.ts';
import { fileParts } from './harness.ts';
import { lossyTarget } from './lossy-target.ts';

export const harness: Harness = {
  name: 'migrate (sqlite, sqlite), a move that is refused',
  serverless: true,
  async store() {
    const dir = tempDir('busbar-migrate');
    let opened = 0;
    return {
      async open() {
        opened += 1;
        if (opened === 2) await tryToMove(dir.path);
        return openMigrate(fileParts(dir.path));
      },
      remove: async () => await dir[Symbol.asyncDispose](),
    };
  },
};

/** Only the comparison of both stores refuses the move. */
async function tryToMove(folder: string): Promise<void> {
  const parts = fileParts(folder);
  await using from = await parts.from.open();
  await using to = await parts.to.open();
  const ends = {
    from: { transport: from, name: parts.from.name },
    to: { transport: lossyTarget(to, 'drops'), name: parts.to.name },
  };
  await moveBus(ends).catch((error: unknown) => {
    if (!isBusbarError(error) || error.code !== 'INTERNAL') throw error;
  });
}
