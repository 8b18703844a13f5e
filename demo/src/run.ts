/** One run: opens the bus, starts the processes, and ends both. */

import { type DemoBus, openDemoBus } from './bus/demo-bus.ts';
import type { DemoOptions } from './options.ts';
import { Orchestrator } from './orchestrator.ts';
import type { RunConfig } from './processes/process-config.ts';
import { Workers } from './processes/workers.ts';
import { Progress, type StatusLine } from './progress.ts';
import { printable } from './report/report.ts';
import type { RunOutcome } from './report/run-outcome.ts';
import { RunStats } from './report/run-stats.ts';

/** What a run needs beside its options. */
export interface RunEnvironment {
  /** The folder to audit. */
  readonly root: string;
  readonly messageBus: string | undefined;
  readonly line: StatusLine;
  /** Ends the run with its reason. */
  readonly signal: AbortSignal;
}

const CONCURRENCY = 4;
const LEASE_MS = 10_000;
/** With kills, leases end soon. With kills or a move, the run lasts long enough to meet processes at work. */
const KILLED_LEASE_MS = 2_000;
const MIN_RUN_MS = 4_000;

/** Runs the demonstration. Throws `UsageError` for a bus or a folder that it cannot use. */
export async function runDemo(options: DemoOptions, environment: RunEnvironment): Promise<RunOutcome> {
  const { root, messageBus, line, signal } = environment;
  const { killServer, migrate } = options;
  await using demoBus = await openDemoBus({ messageBus, killServer, migrate });
  signal.throwIfAborted();
  const failure = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => failure.reject(signal.reason), { once: true });
  const stats = new RunStats();
  const config = toConfig(options, root, demoBus);
  let lastTrouble = '';
  using progress = new Progress(demoBus, stats, line, failure.reject);
  await using workers = new Workers(config, {
    onEvent: (event) => {
      if (event.kind !== 'traffic') progress.touch();
      stats.add(event);
      // All tasks of a batch fail for the same reason, which is printed once.
      if (event.kind !== 'trouble' || event.text === lastTrouble) return;
      lastTrouble = event.text;
      line.say(printable(lastTrouble));
    },
    onExit: failure.reject,
  });
  const { results } = config;
  const orchestrator = new Orchestrator({ options, root, demoBus, workers, stats, progress, line, results });
  return await Promise.race([orchestrator.run(), failure.promise]);
}

function toConfig(
  { workers, kill, killServer, migrate }: DemoOptions,
  root: string,
  { address, folder }: DemoBus,
): RunConfig {
  return {
    ...address,
    ...{ root, workers, concurrency: CONCURRENCY },
    results: folder.join('results.jsonl'),
    leaseMs: kill || killServer ? KILLED_LEASE_MS : LEASE_MS,
    minRunMs: kill || killServer || migrate !== undefined ? MIN_RUN_MS : 0,
  };
}
