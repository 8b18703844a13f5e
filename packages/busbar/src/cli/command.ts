/** A verb: data for the parser and the help, and the function that runs it. Some verbs have actions, such as `busbar task add`. */

import { didYouMean, invalid, quote } from '@busbar/api/transport';
import type { FlagTable, FlagValues } from './input/flag-values.ts';
import type { GlobalFlags } from './input/global-flags.ts';
import type { ArgumentName } from './input/parse-flags.ts';
import type { Session } from './session.ts';

/** One verb of the command line. */
export interface Command<T extends FlagTable = FlagTable> {
  /** In order, for example `TO`, `BODY?`, `RECEIPT...`. */
  readonly args: readonly ArgumentName[];
  /** What its argument ACTION may be. */
  readonly actions?: readonly string[];
  /** The flags that each action takes. Without it all take all. */
  readonly flagsOfActions?: Readonly<Record<string, readonly string[]>>;
  /** Set if it runs a command: the name in the help for the words after `--`, with `?` at its end if they may be left out. */
  readonly runs?: 'CMD' | 'CMD?' | 'WORD?';
  readonly flags: T;
  /** Command lines to copy, each with its meaning. */
  readonly examples: readonly (readonly [line: string, meaning: string])[];
  /** The exit code of wrong arguments. Default 2. */
  readonly usageCode?: number;
  /** Sentences below the flags. */
  readonly notes?: readonly string[];
  /** Runs the verb; resolves to the exit code. */
  run(invocation: Invocation<T>): Promise<number>;
}

/** A verb before it is loaded. */
export interface Verb {
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

/** The verbs by heading and name, in the order of the help. */
export type VerbGroups = Readonly<Record<string, Readonly<Record<string, Verb>>>>;

/** The verb with this name. Throws INVALID_ARGUMENT with a suggestion for an unknown one. */
export function findVerb(name: string, groups: VerbGroups): Verb {
  const all = Object.values(groups);
  const verb = all.find((group) => Object.hasOwn(group, name))?.[name];
  if (verb !== undefined) return verb;
  throw invalid(`unknown verb ${quote(name)}`, `${didYouMean(name, all.flatMap(Object.keys))}busbar help lists them.`);
}

/** One use of a verb. */
export interface Invocation<T extends FlagTable> {
  readonly args: readonly string[];
  readonly flags: FlagValues<T> & Omit<GlobalFlags, keyof T>;
  /** The words after `--`, of a verb that runs a command. */
  readonly command: readonly string[];
  /** All verbs. */
  readonly verbs: VerbGroups;
  readonly session: Session;
}

/** A command whose `run` knows the flags it declares. */
export function defineCommand<const T extends FlagTable>(command: Command<T>): Command {
  // `run` gets only the flags of its own table.
  return command as unknown as Command;
}

/** Throws INVALID_ARGUMENT for a flag that another action takes and this one does not. Without this one it is no error. */
export function checkActionFlags(
  action = '',
  flags: Readonly<Record<string, unknown>>,
  flagsOf: Readonly<Record<string, readonly string[]>> = {},
): void {
  // An unknown action is refused later.
  const own = Object.hasOwn(flagsOf, action) ? flagsOf[action] : undefined;
  if (own === undefined) return;
  for (const name of new Set(Object.values(flagsOf).flat())) {
    if (own.includes(name) || !isGiven(flags[name])) continue;
    const takers = Object.keys(flagsOf).filter((other) => flagsOf[other]?.includes(name));
    const list = own.length === 0 ? 'no flags of its own' : own.map((each) => `--${each}`).join(' ');
    throw invalid(`${action} takes no --${name}`, `It is a flag of ${takers.join(', ')}. ${action} takes ${list}.`);
  }
}

function isGiven(value: unknown): boolean {
  if (value === undefined || value === false) return false;
  return typeof value !== 'object' || value === null || Object.keys(value).length > 0;
}

/** The function behind an action. Throws INVALID_ARGUMENT with the list for an unknown one. */
export function selectAction<F>(actions: Readonly<Record<string, F>>, name = ''): F {
  const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
  if (action !== undefined) return action;
  const names = Object.keys(actions);
  throw invalid(`unknown action ${quote(name)}`, `${didYouMean(name, names)}The actions are ${names.join(', ')}.`);
}
