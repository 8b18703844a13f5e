/** What a verb is: data that the help is made of, and one function that carries it out. */

import type { FlagTable, FlagValues } from './input/flag-values.ts';
import { GLOBAL_FLAGS, type GlobalFlags } from './input/global-flags.ts';
import { type ArgumentName, parseFlags } from './input/parse-flags.ts';
import type { Session } from './session.ts';

/** One verb of the command line. */
export interface Command<T extends FlagTable = FlagTable> {
  /** In order, such as `TO`, `BODY?`, `RECEIPT...`. */
  readonly args: readonly ArgumentName[];
  readonly flags: T;
  /** What people copy: a command line, and what it does. */
  readonly examples: readonly (readonly [line: string, meaning: string])[];
  /** Sentences below the flags. */
  readonly notes?: readonly string[];
  /** True where something that is not found is a recipient: the command is refused (5), nothing is missing (3). */
  readonly hasRecipient?: boolean;
  /** Carries it out; resolves with the exit code. */
  run(invocation: Invocation<T>): Promise<number>;
}

/** One use of a verb. */
export interface Invocation<T extends FlagTable> {
  readonly args: readonly string[];
  readonly flags: FlagValues<T> & GlobalFlags;
  readonly session: Session;
}

/** Reads what stands behind a verb, by the flags of that verb and those of every verb. */
export function readCommandLine(
  command: Command,
  argv: readonly string[],
): Pick<Invocation<FlagTable>, 'args' | 'flags'> {
  const { args, flags } = parseFlags(argv, { ...command.flags, ...GLOBAL_FLAGS }, command.args);
  return { args, flags: flags as unknown as Invocation<FlagTable>['flags'] };
}

/** A command whose `run` knows the flags it declares. */
export function defineCommand<const T extends FlagTable>(command: Command<T>): Command {
  // It only ever gets the flags of its own table.
  return command as unknown as Command;
}
