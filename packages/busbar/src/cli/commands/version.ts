/** `busbar version`: the version of the package. */

import { readFileSync } from 'node:fs';
import { type Command, defineCommand } from '../command.ts';
import { DONE } from '../output/exit-codes.ts';

export const version: Command = defineCommand({
  args: [],
  flags: {},
  examples: [
    ['busbar version', 'the same as --version and -V'],
    ['busbar version --json', 'with the version of Node'],
  ],
  run: async ({ session: { out } }) => {
    const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
    const { version: number } = JSON.parse(manifest) as { version: string };
    await (out.json ? out.jsonLines([{ version: number, node: process.versions.node }]) : out.lines([number]));
    return DONE;
  },
});
