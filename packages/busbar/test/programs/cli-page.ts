// Writes docs/cli.md from the table of the verbs: `npm run docs:cli`. A test compares both.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command, Verb } from '../../src/cli/command.ts';
import { flagRows, usageOf } from '../../src/cli/help.ts';
import { GLOBAL_FLAGS } from '../../src/cli/input/global-flags.ts';
import { EXIT_CODES } from '../../src/cli/output/exit-codes.ts';
import { VERB_GROUPS } from '../../src/cli/verbs.ts';
import { COMMAND_VARIABLES, VARIABLES } from '../../src/config/locate-bus.ts';

/** The page. */
export const CLI_PAGE: string = fileURLToPath(new URL('../../../../docs/cli.md', import.meta.url));

const INTRODUCTION = `# The command

This page is made from the table that \`busbar help\`, the completion and the parser use: \`npm run docs:cli\` writes it.
[packages/busbar](../packages/busbar/README.md) explains which bus a command uses, how bodies are read and how leases work.
`;

/** The text of the page. */
export async function cliPage(): Promise<string> {
  const groups = Object.entries(VERB_GROUPS);
  const index = groups.map(([title, verbs]) => `| ${title} | ${Object.keys(verbs).map(linkTo).join(', ')} |`);
  const sections = await Promise.all(
    groups.flatMap(([, verbs]) =>
      Object.entries(verbs).map(async ([name, verb]) => sectionOf(name, verb, await verb.load())),
    ),
  );
  const parts = [
    INTRODUCTION,
    ['| | verbs |', '|---|---|', ...index, ''].join('\n'),
    `## Global flags\n\n${tableOf(['flag', 'meaning'], flagRows(GLOBAL_FLAGS))}`,
    `## Environment\n\n${tableOf(['variable', 'meaning'], Object.entries(VARIABLES))}`,
    `A command that busbar runs for a message also has:\n\n${tableOf(['variable', 'meaning'], Object.entries(COMMAND_VARIABLES))}`,
    `## Exit codes\n\n${tableOf(['code', 'meaning'], EXIT_CODES)}`,
    ...sections,
  ];
  return parts.join('\n');
}

function linkTo(name: string): string {
  return `[${name}](#${name})`;
}

function sectionOf(name: string, { summary }: Verb, command: Command): string {
  const { flags, examples, notes = [] } = command;
  const example = examples.flatMap(([line, meaning]) => [`# ${meaning}`, line]);
  const parts = [
    `## ${name}\n\n${summary[0]?.toUpperCase()}${summary.slice(1)}.\n`,
    ['```sh', usageOf(name, command), '', ...example, '```', ''].join('\n'),
    ...(Object.keys(flags).length === 0 ? [] : [tableOf(['flag', 'meaning'], flagRows(flags))]),
    ...notes.map((note) => `${escaped(note)}\n`),
  ];
  return parts.join('\n');
}

function tableOf(headings: readonly [string, string], rows: readonly (readonly [string, string])[]): string {
  const lines = rows.map(([left, right]) => `| \`${left.replaceAll('|', '\\|')}\` | ${escaped(right)} |`);
  return [`| ${headings.join(' | ')} |`, '|---|---|', ...lines, ''].join('\n');
}

function escaped(text: string): string {
  return text.replaceAll(/[|<]/g, '\\$&');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(CLI_PAGE, await cliPage());
