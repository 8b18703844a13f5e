/** Finds the program of a command line, before a message is taken for it. */

import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { BusbarError, invalid, quote } from '@busbar/api/transport';
import type { Environment } from '../../config/locate-bus.ts';

/** A command line: the program and its arguments. It runs without a shell. */
export type CommandLine = readonly [program: string, ...args: string[]];

/** The command line in `words`. Throws INVALID_ARGUMENT without one, NOT_FOUND for an unknown program. */
export function toCommandLine(words: readonly string[], env: Environment): CommandLine {
  const [program, ...args] = words;
  if (program === undefined || program === '')
    throw invalid('CMD is missing', 'Write -- and then the command: -- ./handle.sh --fast.');
  if (!candidates(program, env).some(isProgram)) {
    const hint = /\s/.test(program)
      ? `No shell splits the words of a command. Write -- sh -c ${quote(program)}.`
      : 'Check the name, its execute permission and PATH.';
    throw new BusbarError('NOT_FOUND', `cannot run ${quote(program)}: no such program`, { hint });
  }
  return [program, ...args];
}

function candidates(program: string, { PATH = '/usr/local/bin:/usr/bin:/bin' }: Environment): string[] {
  if (program.includes('/')) return [program];
  return PATH.split(delimiter).map((folder) => join(folder === '' ? '.' : folder, program));
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
