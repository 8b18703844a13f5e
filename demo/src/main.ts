/** Entry of the demonstration: the command line, the folder, the report and the exit code. */

import { mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { isBusbarError } from 'busbar';
import { Display } from './display/display.ts';
import { type DemoOptions, parseOptions, USAGE, UsageError } from './options.ts';
import type { Outcome } from './report/outcome.ts';
import { describeOutcome } from './report/report.ts';
import { findFaults, lastLine } from './report/run-check.ts';
import { toMarkdown, toText } from './report/sections.ts';
import { hidden } from './report/table.ts';
import { runDemo } from './run.ts';

/** Somebody wants the run to end. */
class Interruption extends Error {
  readonly exitCode: number;

  constructor(signal: NodeJS.Signals, exitCode: number) {
    super(`ended by ${signal}`);
    this.exitCode = exitCode;
  }
}

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
const REPOSITORY = resolve(import.meta.dirname, '../..');

// Whoever reads may have seen enough.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
const display = new Display(process.stderr);
process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(argv);
    if (options === 'help') {
      process.stdout.write(`${USAGE}\n`);
      return 0;
    }
    const root = resolveRoot(options);
    const outcome = await runDemo(options, {
      root,
      messageBus: process.env['MESSAGE_BUS'],
      display,
      signal: interruption(),
    });
    return conclude(outcome);
  } catch (error) {
    return explain(error);
  }
}

/** The folder to audit; npm runs us in the repository, and says where it was called. */
function resolveRoot({ path }: DemoOptions): string {
  if (path === undefined) return REPOSITORY;
  const root = resolve(process.env['INIT_CWD'] ?? '.', path);
  const stats = statSync(root, { throwIfNoEntry: false });
  if (stats === undefined) throw new UsageError(`PATH ${JSON.stringify(path)} is not there`);
  if (!stats.isDirectory()) throw new UsageError(`PATH ${JSON.stringify(path)} is no folder`);
  return root;
}

function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const [signal, exitCode] of Object.entries(SIGNALS) as [keyof typeof SIGNALS, number][]) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(exitCode);
      controller.abort(new Interruption(signal, exitCode));
    });
  }
  return controller.signal;
}

function conclude(outcome: Outcome): number {
  const sections = describeOutcome(outcome);
  const file = join(mkdtempSync(join(tmpdir(), 'busbar-report-')), 'report.md');
  writeFileSync(file, `${toMarkdown(sections)}\n    ${lastLine(outcome)}\n`);
  const faults = findFaults(outcome);
  for (const fault of faults) display.say(`demo: ${fault}`);
  display.say(`report: ${file}`);
  process.stdout.write(`${toText(sections)}\n${lastLine(outcome)}\n`);
  return faults.length === 0 ? 0 : 1;
}

function explain(error: unknown): number {
  display.clear();
  if (error instanceof Interruption) return error.exitCode;
  // Leaving went wrong as well: why it was left is what matters, and is said first.
  if (error instanceof SuppressedError) {
    const exitCode = explain(error.suppressed);
    explain(error.error);
    return exitCode;
  }
  const hint = error instanceof UsageError || isBusbarError(error) ? error.hint : undefined;
  const lines = [`demo: ${error instanceof Error ? error.message : String(error)}`, ...(hint ? [hint] : [])];
  for (const line of lines.join('\n').split('\n')) process.stderr.write(`${hidden(line)}\n`);
  return error instanceof UsageError ? 2 : 1;
}
