/** Entry of the demonstration: reads the command line, runs, prints the report. */

import { mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { isBusbarError } from 'busbar';
import { type DemoOptions, parseOptions, USAGE, UsageError } from './options.ts';
import { StatusLine } from './progress.ts';
import { printable, renderReport } from './report/report.ts';
import { findFaults, lastLine } from './report/run-check.ts';
import type { RunOutcome } from './report/run-outcome.ts';
import { runDemo } from './run.ts';

/** A signal that ends the run. */
class Interruption extends Error {
  readonly exitCode: number;

  constructor(signal: NodeJS.Signals, exitCode: number) {
    super(`ended by ${signal}`);
    this.exitCode = exitCode;
  }
}

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
const REPOSITORY = resolve(import.meta.dirname, '../..');

// A reader such as `head` may close the pipe.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
const line = new StatusLine(process.stderr);
process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(argv);
    if (options === 'help') {
      process.stdout.write(`${USAGE}\n`);
      return 0;
    }
    const root = resolveRoot(options);
    const messageBus = process.env['MESSAGE_BUS'];
    return conclude(await runDemo(options, { root, messageBus, line, signal: interruption() }));
  } catch (error) {
    return explain(error);
  }
}

/** The folder to audit. npm runs this program in the repository and passes the caller's folder in INIT_CWD. */
function resolveRoot({ path }: DemoOptions): string {
  if (path === undefined) return REPOSITORY;
  const root = resolve(process.env['INIT_CWD'] ?? '.', path);
  const stats = statSync(root, { throwIfNoEntry: false });
  if (stats === undefined) throw new UsageError(`PATH ${JSON.stringify(path)} does not exist`);
  if (!stats.isDirectory()) throw new UsageError(`PATH ${JSON.stringify(path)} is not a folder`);
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

function conclude(outcome: RunOutcome): number {
  const report = `${renderReport(outcome)}\n${lastLine(outcome)}\n`;
  const file = join(mkdtempSync(join(tmpdir(), 'busbar-report-')), 'report.txt');
  writeFileSync(file, report);
  const faults = findFaults(outcome);
  for (const fault of faults) line.say(`demo: ${fault}`);
  line.say(`report: ${file}`);
  process.stdout.write(report);
  return faults.length === 0 ? 0 : 1;
}

function explain(error: unknown): number {
  line.clear();
  if (error instanceof Interruption) return error.exitCode;
  // Closing failed too: the first error is the reason and is printed first.
  if (error instanceof SuppressedError) {
    const exitCode = explain(error.suppressed);
    explain(error.error);
    return exitCode;
  }
  const hint = error instanceof UsageError || isBusbarError(error) ? error.hint : undefined;
  const text = `demo: ${error instanceof Error ? error.message : String(error)}${hint ? `\n${hint}` : ''}`;
  for (const row of text.split('\n')) process.stderr.write(`${printable(row)}\n`);
  return error instanceof UsageError ? 2 : 1;
}
