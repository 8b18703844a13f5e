/** Writes the documents of a report: the page, its pictures, the page of all tables, and the JSON. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { show } from '../figures.ts';
import { tallyOf } from '../measurement.ts';
import { makePlots } from '../plots/plots.ts';
import { renderChoices } from './choose.ts';
import { type Report, renderAccount, renderHeader, renderReport } from './report.ts';
import { renderBars } from './thresholds.ts';

const ROOT = new URL('../../../', import.meta.url);
const PAGE = new URL('docs/benchmarks.md', ROOT);
const FOLDER = new URL('docs/benchmarks/', ROOT);

/** Writes all documents from `report`. */
export function writeDocs(report: Report): void {
  const plots = makePlots(report.measurements);
  mkdirSync(FOLDER, { recursive: true });
  for (const { name, svg } of plots) writeFileSync(new URL(`${name}.svg`, FOLDER), svg);
  writeFileSync(new URL('figures.md', FOLDER), renderFigures(report));
  const pictures = plots.map(({ name, alternative }) => `![${alternative}](benchmarks/${name}.svg)`);
  const sections = {
    run: renderRun(report),
    pictures: pictures.join('\n\n'),
    backends: renderChoices(report.measurements),
    bars: renderBars(report.measurements),
  };
  writeFileSync(PAGE, fillSections(readFileSync(PAGE, 'utf8'), sections));
}

/** Writes `bench/results/<date>.json` and returns its path. */
export function writeResult(report: Report): string {
  const file = new URL(`bench/results/${report.date.slice(0, 10)}.json`, ROOT);
  writeJson(fileURLToPath(file), report);
  return fileURLToPath(file);
}

/** Writes a report as JSON, one measurement a line. */
export function writeJson(file: string, { measurements, ...head }: Report): void {
  const lines = measurements.map((measurement) => JSON.stringify(measurement)).join(',\n');
  writeFileSync(file, `${JSON.stringify(head, null, 2).slice(0, -2)},\n  "measurements": [\n${lines}\n]}\n`);
}

/** Replaces the text between the marks of each section. */
export function fillSections(text: string, sections: Readonly<Record<string, string>>): string {
  return Object.entries(sections).reduce((filled, [name, content]) => {
    const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
    const [before, after] = [filled.indexOf(begin), filled.indexOf(end)];
    if (before < 0 || after < before) throw new Error(`the page has no section ${name}`);
    return `${filled.slice(0, before + begin.length)}\n\n${content}\n\n${filled.slice(after)}`;
  }, text);
}

/** The machine, the versions, the command, and the account of all runs. */
function renderRun(report: Report): string {
  const { machine, loadBefore, date, command, versions, measurements } = report;
  const { runs, expected, lost, doubled, reordered } = tallyOf(measurements);
  const failures = measurements.filter(({ failure }) => failure !== undefined);
  const skipped = measurements.filter((one) => one.skipped).length;
  const wasBusy = loadBefore > machine.cores;
  return [
    `Measured ${date.slice(0, 10)} by \`${command}\`: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Node ${machine.node}.`,
    ...(wasBusy
      ? [
          `**The load in the minute before was ${show(loadBefore)}. If that work went on, rates and ratios of this run mean little.**`,
        ]
      : []),
    `${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}.`,
    `${runs} runs with ${expected.toLocaleString('en-US')} deliveries: ${lost} lost, ${doubled} doubled, ${reordered} reordered.` +
      ` ${failures.length} failed, ${skipped} had no time left.`,
    ...failures.map(
      ({ scenario, target, failure }) =>
        `- ${target === undefined ? scenario : `${target} ${scenario}`} failed: ${failure}`,
    ),
  ].join('\n');
}

/** All tables. */
function renderFigures(report: Report): string {
  const targets = Object.entries(report.settings.targets).map(([name, about]) => `| \`${name}\` | ${about} |`);
  return `# All figures

This page is generated from \`bench/results\` by \`npm run bench -- --write-docs\`. [The page](../benchmarks.md) has the method and the pictures.
A table shows the median, with the smallest and largest value, and how many times better it is than the peer in the last column.
A p99 of requests and wake-ups is that of all runs together.

## Targets and their settings

| target | settings |
|---|---|
${targets.join('\n')}

## Tables

\`\`\`text
${[renderHeader(report), ...renderReport(report), renderAccount(report.measurements)].join('\n\n')}
\`\`\`
`;
}
