/** Entry of `bench:compare`: this tree and another commit, by turns on one machine. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { tempDir } from '@busbar/testbed';
import { show } from '../figures.ts';
import { UsageError } from '../options.ts';
import { columns } from '../report/columns.ts';
import { runBench } from './bench-run.ts';
import { checkOut, ROOT } from './checkout.ts';
import { type CompareOptions, parseCompareOptions, USAGE } from './options.ts';
import { type Comparison, compareRuns, type Run } from './statistics.ts';

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  try {
    const options = parseCompareOptions(argv);
    if (options === 'help') {
      process.stdout.write(`${USAGE}\n`);
      return 0;
    }
    return await compare(options);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`bench:compare: ${error.message}\n\n${USAGE}\n`);
    return 2;
  }
}

async function compare(options: CompareOptions): Promise<number> {
  await using other = checkOut(options.commit);
  const { current, baseline } = await runByTurns(options, other.path);
  const comparisons = compareRuns(current, baseline);
  process.stdout.write(`${render(comparisons, options, other.hash)}\n`);
  if (options.json !== undefined) {
    mkdirSync(dirname(options.json), { recursive: true });
    const report = { date: new Date().toISOString(), options, commit: other.hash, comparisons, current, baseline };
    writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
  }
  return comparisons.some(({ verdict }) => verdict === 'worse' || verdict === 'missing') ? 1 : 0;
}

/** A B, B A, A B, …: a machine that gets slower or faster favours neither tree. */
async function runByTurns(
  options: CompareOptions,
  otherRoot: string,
): Promise<{ readonly current: readonly Run[]; readonly baseline: readonly Run[] }> {
  await using folder = tempDir('busbar-compare');
  const trees = [
    { name: options.commit, root: otherRoot, runs: [] as Run[] },
    { name: 'this tree', root: ROOT, runs: [] as Run[] },
  ] as const;
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const tree of round % 2 === 1 ? trees : trees.toReversed()) {
      process.stderr.write(`round ${round} of ${options.rounds}: ${tree.name}\n`);
      tree.runs.push(await runBench(tree.root, options, folder.join('figures.json')));
    }
  }
  const [{ runs: baseline }, { runs: current }] = trees;
  return { current, baseline };
}

function render(comparisons: readonly Comparison[], { commit, rounds }: CompareOptions, hash: string): string {
  const rows = comparisons.map(({ label, unit, current, baseline, ratio, spread: [least, most], verdict }) => [
    `${label} ${unit}`,
    show(current),
    show(baseline),
    `${show(ratio)}×`,
    `${show(least)}–${show(most)}`,
    verdict === 'better' || verdict === 'worse' ? `outside: ${verdict}` : verdict,
  ]);
  const titles = ['figure', 'this', commit, 'ratio', 'spread', 'verdict'];
  const note = `Medians of ${rounds} runs of each tree, by turns; the other tree is ${hash}. A ratio above 1 is better.`;
  const spread = 'Spread: the smallest and the largest ratio between two runs of the other tree.';
  return [columns([titles, ...rows]), '', note, spread].join('\n');
}
