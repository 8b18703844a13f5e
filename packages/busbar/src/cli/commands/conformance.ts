/** `busbar conformance`: runs the conformance suite on a backend. */

import { didYouMean, invalid } from '@busbar/api/transport';
import type { CaseResult, Group, Profile, Report, SuiteRun } from '@busbar/conformance';
import { harnessOptions } from '../../schemes.ts';
import { type Command, defineCommand, type Invocation } from '../command.ts';
import { DONE, UNEXPECTED } from '../output/exit-codes.ts';
import type { Output } from '../output/output.ts';
import { printableLine } from '../output/printable.ts';

const FLAGS = {
  profile: { kind: 'choice', choices: ['smoke', 'full'], help: 'a short selection, or all cases (default)' },
  only: { kind: 'list', value: 'ID,…', help: 'only these cases, by id' },
  group: { kind: 'text', value: 'GROUP', help: 'only the cases of this group, such as Priority' },
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
    ['busbar conformance sqlite:./t.db --only Q1,Q2', 'two cases'],
  ],
  notes: ['Every case has a store of its own. Exit 1 if a case fails.'],
  run: async (invocation) => {
    const suite = await import('@busbar/conformance');
    const run = await runOn(suite, invocation);
    const report = suite.toReport(run);
    const { out } = invocation.session;
    await (out.json ? out.jsonLines([report]) : out.lines(summary(report, run, out)));
    return report.failed === 0 ? DONE : UNEXPECTED;
  },
});

async function runOn(suite: Suite, { args, flags, session }: Invocation<typeof FLAGS>): Promise<SuiteRun> {
  const { url } = session.locate(args[0]);
  const only = flags.only.flatMap((list) => list.split(',')).filter((id) => id !== '');
  const options = {
    profile: flags.profile as Profile | undefined,
    only: flags.only.length === 0 ? undefined : checkIds(only, suite),
    group: flags.group === undefined ? undefined : toGroup(flags.group, suite),
    parallel: flags.parallel,
    seed: flags.seed,
  };
  const harness = await suite.urlHarness(url, harnessOptions(url));
  return suite.runSuite(harness, { ...options, onResult: (result) => session.out.note(lineOf(result)) });
}

function checkIds(ids: readonly string[], { SUITE }: Suite): readonly string[] {
  const known = new Set(SUITE.map(({ id }) => id));
  const unknown = ids.filter((id) => !known.has(id));
  if (ids.length > 0 && unknown.length === 0) return ids;
  throw invalid(
    unknown.length === 0 ? '--only is empty' : `unknown case ${unknown.join(', ')}`,
    `The cases are ${[...known].join(' ')}.`,
  );
}

function toGroup(name: string, { GROUPS }: Suite): Group {
  const group = GROUPS.find((each) => each.toLowerCase() === name.toLowerCase());
  if (group !== undefined) return group;
  throw invalid(
    `unknown group ${JSON.stringify(name)}`,
    `${didYouMean(name, GROUPS)}The groups are ${GROUPS.join(', ')}.`,
  );
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
