/** `busbar conformance`: runs the conformance suite on a backend. */

import { dirname, join } from 'node:path';
import { didYouMean, invalid, missingPackage, quote } from '@busbar/api/transport';
import type { CaseResult, Group, Profile, Report, SuiteRun } from '@busbar/conformance';
import { createProjectFolder, type LocatedBus } from '../../config/locate-bus.ts';
import { harnessOptions } from '../../schemes.ts';
import { type Command, defineCommand, type Invocation } from '../command.ts';
import { DONE, UNEXPECTED } from '../output/exit-codes.ts';
import type { Output } from '../output/output.ts';
import { printableLine } from '../output/printable.ts';
import { within } from '../session.ts';

const FLAGS = {
  profile: { kind: 'choice', choices: ['smoke', 'full'], help: 'a short selection, or all cases (default)' },
  only: { kind: 'list', value: 'CASE,…', help: 'only these cases: ids, letters, or starts of groups and titles' },
  group: { kind: 'text', value: 'GROUP', help: 'only the cases of this group: its name, a start of it, or its letter' },
  parallel: { kind: 'integer', min: 1, max: 64, help: 'cases at a time (default 4)' },
  seed: { kind: 'integer', min: 0, max: 0xffff_ffff, help: 'seed of an earlier run, for the same random numbers' },
} as const;

type Suite = typeof import('@busbar/conformance');

export const conformance: Command = defineCommand({
  args: ['URL?'],
  flags: FLAGS,
  examples: [
    ['busbar conformance sqlite:./t.db', 'in temporary files beside t.db; t.db itself stays unchanged'],
    ['busbar conformance memory: --json', 'one JSON object with every case'],
    ['busbar conformance --profile smoke', 'on the configured bus, in a minute'],
    ['busbar conformance sqlite:./t.db --only Q1,A,prior', 'one case, and two groups'],
  ],
  notes: ['Every case has a store of its own. Exit 1 if a case fails.'],
  run: async (invocation) => {
    const suite = await import('@busbar/conformance').catch(missingPackage('@busbar/conformance'));
    const run = await runOn(suite, invocation);
    const report = suite.toReport(run);
    const { out } = invocation.session;
    await (out.json ? out.jsonLines([report]) : out.lines(summary(report, run, out)));
    return report.failed === 0 ? DONE : UNEXPECTED;
  },
});

async function runOn(suite: Suite, { args, flags, session }: Invocation<typeof FLAGS>): Promise<SuiteRun> {
  const url = urlOf(session.locate(args[0]));
  const only = flags.only.flatMap((list) => list.split(',')).filter((id) => id !== '');
  const options = {
    profile: flags.profile as Profile | undefined,
    only: flags.only.length === 0 ? undefined : toIds(only, suite),
    group: flags.group === undefined ? undefined : toGroup(flags.group, suite),
    parallel: flags.parallel,
    seed: flags.seed,
  };
  const harness = await within(suite.urlHarness(url, harnessOptions(url)), session.call);
  return suite.runSuite(harness, { ...options, onResult: (result) => session.out.note(lineOf(result)) });
}

/** The bus, or a file beside the project's folder while that does not exist. */
function urlOf(located: LocatedBus): string {
  const { url, folder } = located;
  if (folder?.exists === false && url.startsWith('sqlite:')) return `sqlite:${join(dirname(folder.path), 'bus.db')}`;
  createProjectFolder(located);
  return url;
}

/** The ids that the words mean: an id, the letter of a group, or the start of the names of groups or titles. */
function toIds(words: readonly string[], suite: Suite): readonly string[] {
  const { SUITE, GROUPS } = suite;
  if (words.length === 0) throw invalid('--only is empty', 'Name ids or groups, such as --only Q1,Priority.');
  return words.flatMap((word) => {
    const groups = groupsOf(word, suite);
    const ids = SUITE.filter(({ id }) => id.toLowerCase() === word.toLowerCase());
    const ofGroups = SUITE.filter(({ group }) => groups.includes(group));
    const titled = SUITE.filter(({ title }) => title.toLowerCase().startsWith(word.toLowerCase()));
    const found = [ids, ofGroups, titled].find((some) => some.length > 0);
    if (found !== undefined) return found.map(({ id }) => id);
    throw invalid(
      `unknown case ${quote(word)}`,
      `${didYouMean(word, GROUPS)}Use an id such as Q1, a letter, or a group: ${GROUPS.join(', ')}.`,
    );
  });
}

function toGroup(word: string, suite: Suite): Group {
  const { SUITE, GROUPS } = suite;
  const ofCase = SUITE.find(({ id }) => id.toLowerCase() === word.toLowerCase())?.group;
  const [group, ...others] = ofCase === undefined ? groupsOf(word, suite) : [ofCase];
  if (group !== undefined && others.length === 0) return group;
  const guess = group === undefined ? didYouMean(word, GROUPS) : `It may be ${[group, ...others].join(' or ')}. `;
  throw invalid(`unknown group ${quote(word)}`, `${guess}The groups are ${GROUPS.join(', ')}.`);
}

/** The groups with this letter, this name, or names that start so. */
function groupsOf(word: string, { SUITE, GROUPS }: Suite): readonly Group[] {
  const letter = SUITE.find(({ id }) => id[0] === word.toUpperCase())?.group;
  if (letter !== undefined) return [letter];
  const named = GROUPS.filter((each) => each.toLowerCase() === word.toLowerCase());
  return named.length > 0 ? named : GROUPS.filter((each) => each.toLowerCase().startsWith(word.toLowerCase()));
}

function lineOf({ id, status, title, reason, ms }: CaseResult): string {
  return printableLine(`${status.padEnd(14)} ${id.padEnd(6)} ${title || ''}${reason ? ` (${reason})` : ''} ${ms}ms`);
}

function summary(report: Report, { results }: SuiteRun, out: Output): string[] {
  const failed = results.filter(({ status }) => status === 'failed');
  const lines = failed.map(
    ({ id, title, reason }) =>
      `${out.paint('red', 'failed')}  ${id}  ${printableLine(title)}: ${printableLine(reason ?? '')}`,
  );
  const { transport, passed, unsupported, notApplicable, notTested, seed, ms } = report;
  const counts = [
    `${passed} passed`,
    `${report.failed} failed`,
    `${unsupported} unsupported`,
    `${notApplicable} not applicable`,
    `${notTested} not tested`,
  ];
  lines.push(`${transport}: ${counts.join(', ')} (${(ms / 1000).toFixed(1)}s, --seed ${seed})`);
  return lines;
}
