/** The command line: selects the verb, runs it, and returns the exit code. */

import { didYouMean, invalid, isBusbarError, quote } from '@busbar/api/transport';
import { maskUrl } from '../bus-url.ts';
import { type Environment, environment } from '../config/locate-bus.ts';
import type { Command } from './command.ts';
import type { FlagTable } from './input/flag-values.ts';
import { GLOBAL_FLAGS } from './input/global-flags.ts';
import { parseFlags } from './input/parse-flags.ts';
import { Interruption } from './interruption.ts';
import { DONE, USAGE } from './output/exit-codes.ts';
import { Output, ReaderGone } from './output/output.ts';
import { Session } from './session.ts';
import { VERBS } from './verbs.ts';

/** Runs one command and resolves to the exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  const env = environment();
  hideSecrets(argv);
  const { verb, rest } = splitVerb(argv);
  const out = earlyOutput(argv, env);
  using interruption = new Interruption();
  try {
    if (verb === undefined || verb === 'help') return await general(argv, rest, out);
    const known = VERBS.get(verb);
    if (known === undefined) throw unknownVerb(verb);
    const command = await known.load();
    if (asksForHelp(rest)) return await showVerb(verb, known.summary, command, out);
    return await run(command, rest, { env, out, interruption });
  } catch (error) {
    if (error instanceof ReaderGone) return DONE;
    if (interruption.exitCode !== undefined && isBusbarError(error) && error.code === 'ABORTED')
      return interruption.exitCode;
    const { reportFailure } = await import('./output/failure.ts');
    return reportFailure(error, out, env);
  }
}

/** `ps` shows the arguments of every process to all users. Until this runs, it shows secrets in them too. */
function hideSecrets(argv: readonly string[]): void {
  const shown = argv.map(maskUrl);
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
  const { flags, args } = parseFlags(rest, { ...command.flags, ...GLOBAL_FLAGS }, command.args, command.refused);
  await using session = new Session({ flags, out, env, interruption });
  try {
    const code = await command.run({ args, flags, session });
    session.noteMissing();
    return interruption.exitCode ?? code;
  } catch (error) {
    throw session.explain(error);
  }
}

/** Without a verb: help and version. */
async function general(argv: readonly string[], rest: readonly string[], out: Output): Promise<number> {
  const { overview, TOPICS, verbHelp, version } = await import('./help.ts');
  if (rest.includes('--version')) {
    const number = version();
    await (out.json ? out.jsonLines([{ version: number, node: process.versions.node }]) : out.lines([number]));
    return DONE;
  }
  const { args, flags } = parseFlags(rest, GLOBAL_FLAGS, ['TOPIC?']);
  const [topic] = args;
  if (topic === undefined) {
    if (!flags.help && !argv.includes('help')) {
      out.errorLines(overview(out));
      return USAGE;
    }
    await out.lines(overview(out));
    return DONE;
  }
  const text = TOPICS[topic];
  const known = VERBS.get(topic);
  if (text === undefined && known === undefined) throw unknownVerb(topic);
  await out.lines(text?.() ?? (known ? verbHelp(topic, known.summary, await known.load(), out) : []));
  return DONE;
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

function unknownVerb(verb: string): Error {
  return invalid(
    `unknown verb ${quote(verb)}`,
    `${didYouMean(verb, [...VERBS.keys(), 'help'])}busbar help lists them.`,
  );
}
