/** The command line: selects the verb, runs it, and returns the exit code. */

import { invalid, isBusbarError, quote } from '@busbar/api/transport';
import { maskArgument } from '../bus-url.ts';
import { type Environment, environment } from '../config/locate-bus.ts';
import { type Command, checkActionFlags, findVerb } from './command.ts';
import type { FlagTable } from './input/flag-values.ts';
import { GLOBAL_FLAGS } from './input/global-flags.ts';
import { parseFlags } from './input/parse-flags.ts';
import { Interruption } from './interruption.ts';
import { DONE, USAGE } from './output/exit-codes.ts';
import { Output, ReaderGone } from './output/output.ts';
import { Session } from './session.ts';
import { VERB_GROUPS } from './verbs.ts';

/** Runs one command and resolves to the exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  const env = environment();
  hideSecrets(argv);
  const { verb, rest } = splitVerb(argv);
  const out = earlyOutput(argv, env);
  using interruption = new Interruption();
  let usageCode = USAGE;
  try {
    const use = { env, out, interruption };
    if (verb === undefined) return await general(rest, use);
    const known = findVerb(verb, VERB_GROUPS);
    const command = await known.load();
    usageCode = command.usageCode ?? USAGE;
    if (asksForHelp(rest)) return await showVerb(verb, known.summary, command, out);
    return await run(command, rest, use);
  } catch (error) {
    if (error instanceof ReaderGone) return DONE;
    if (interruption.exitCode !== undefined && isBusbarError(error) && error.code === 'ABORTED')
      return interruption.exitCode;
    const { reportFailure } = await import('./output/failure.ts');
    const code = reportFailure(error, out, env);
    return code === USAGE ? usageCode : code;
  }
}

/** `ps` shows the arguments of every process to all users. Until this runs, it shows secrets in them too. */
function hideSecrets(argv: readonly string[]): void {
  const shown = argv.map(maskArgument);
  if (shown.some((word, index) => word !== argv[index])) process.title = ['busbar', ...shown].join(' ');
}

interface CommandEnvironment {
  readonly env: Environment;
  readonly out: Output;
  readonly interruption: Interruption;
}

async function run(
  command: Command,
  rest: readonly string[],
  { env, out, interruption }: CommandEnvironment,
): Promise<number> {
  const { words, line } = splitCommand(rest, command);
  const { flags, args } = parseFlags(words, { ...GLOBAL_FLAGS, ...command.flags }, command.args);
  checkActionFlags(args[0], flags, command.flagsOfActions);
  // A verb may have a --timeout of its own.
  const global = 'timeout' in command.flags ? { ...flags, timeout: undefined } : flags;
  await using session = new Session({ flags: global, out, env, interruption });
  try {
    const code = await command.run({ args, flags, session, command: line, verbs: VERB_GROUPS });
    session.noteMissing();
    return interruption.exitCode ?? code;
  } catch (error) {
    throw session.explain(error);
  }
}

/** Splits off the words after `--` of a verb that runs a command. */
function splitCommand(rest: readonly string[], { runs, args }: Command): { words: readonly string[]; line: string[] } {
  if (runs === undefined) return { words: rest, line: [] };
  const end = rest.indexOf('--');
  if (end !== -1) return { words: rest.slice(0, end), line: rest.slice(end + 1) };
  const extra = rest.filter((word) => !word.startsWith('-'))[args.length];
  if (runs === 'CMD' && extra !== undefined && rest.every((word) => !word.startsWith('-')))
    throw invalid(`unexpected argument ${quote(extra)}`, `Write -- before the command: -- ${extra}.`);
  return { words: rest, line: [] };
}

/** Without a verb: the version, or the help. */
async function general(rest: readonly string[], use: CommandEnvironment): Promise<number> {
  const isVersion = (word: string): boolean => word === '--version' || word === '-V';
  if (rest.some(isVersion)) {
    const words = rest.filter((word) => !isVersion(word));
    return run(await findVerb('version', VERB_GROUPS).load(), words, use);
  }
  const { flags } = parseFlags(rest, GLOBAL_FLAGS, []);
  const { overview } = await import('./help.ts');
  const lines = overview(VERB_GROUPS, use.out);
  if (flags.help) await use.out.lines(lines);
  else use.out.errorLines(lines);
  return flags.help ? DONE : USAGE;
}

async function showVerb(verb: string, summary: string, command: Command, out: Output): Promise<number> {
  const { verbHelp } = await import('./help.ts');
  await out.lines(verbHelp(verb, summary, command, out));
  return DONE;
}

/** The verb is the first word that is neither a global flag nor its value. */
function splitVerb(argv: readonly string[]): { verb: string | undefined; rest: readonly string[] } {
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] ?? '';
    if (word === '--') break;
    if (!word.startsWith('-')) return { verb: word, rest: argv.toSpliced(index, 1) };
    const spec = (GLOBAL_FLAGS as FlagTable)[word.slice(2)];
    if (spec !== undefined && spec.kind !== 'switch') index += 1;
  }
  return { verb: undefined, rest: argv };
}

/** The output before the flags are parsed, so that parse errors respect --json and --quiet. */
function earlyOutput(argv: readonly string[], env: Environment): Output {
  const end = argv.indexOf('--');
  const flags = end === -1 ? argv : argv.slice(0, end);
  return new Output({
    json: flags.includes('--json'),
    quiet: flags.includes('--quiet') || flags.includes('-q'),
    color: flags.includes('--no-color') ? false : undefined,
    env,
  });
}

function asksForHelp(rest: readonly string[]): boolean {
  const end = rest.indexOf('--');
  const flags = end === -1 ? rest : rest.slice(0, end);
  return flags.includes('--help') || flags.includes('-h');
}
