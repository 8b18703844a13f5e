/** One run: the bus, the processes and the watch over them, from the first to the last. */

import { openPlace, type Place } from './bus/demo-bus.ts';
import type { Display } from './display/display.ts';
import { Watch } from './display/watch.ts';
import type { DemoOptions } from './options.ts';
import { Conductor, processesOf } from './orchestrator.ts';
import type { RunBrief } from './processes/process-config.ts';
import { Crew } from './processes/workers.ts';
import type { Outcome } from './report/outcome.ts';
import { Tally } from './report/run-stats.ts';
import { hidden } from './report/table.ts';

/** What a run needs beside its options. */
export interface Surroundings {
  /** The folder to audit. */
  readonly root: string;
  readonly messageBus: string | undefined;
  readonly display: Display;
  /** Ends the run with its reason. */
  readonly signal: AbortSignal;
}

const CONCURRENCY = 4;
const LEASE_MS = 10_000;
const LEASE_WITH_KILLS_MS = 2_000;

/** Runs the demonstration to its end. Throws `UsageError` where there is nothing to run it on or with. */
export async function runDemo(options: DemoOptions, surroundings: Surroundings): Promise<Outcome> {
  const { root, messageBus, display, signal } = surroundings;
  await using place = await openPlace({ messageBus, killServer: options.killServer });
  signal.throwIfAborted();
  const failure = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => failure.reject(signal.reason), { once: true });
  const tally = new Tally();
  const onStall = (text: string): void => failure.reject(new Error(text));
  const processes = processesOf(options);
  let trouble = '';
  using watch = new Watch({ bus: place.bus, tally, display, processes, onStall });
  await using crew = new Crew(toBrief(options, root, place), {
    onNews: (news) => {
      watch.heard();
      tally.add(news);
      // All tasks of a batch fail for one reason: it is said once.
      if (news.kind === 'trouble' && news.text !== trouble) display.say(hidden(news.text));
      if (news.kind === 'trouble') trouble = news.text;
    },
    onLoss: failure.reject,
  });
  const conductor = new Conductor({ options, root, place, crew, tally, watch, display });
  return await Promise.race([conductor.perform(), failure.promise]);
}

function toBrief({ workers, kill, killServer }: DemoOptions, root: string, { address, folder }: Place): RunBrief {
  const kills = kill || killServer;
  return {
    ...address,
    root,
    results: folder.join('results.jsonl'),
    leaseMs: kills ? LEASE_WITH_KILLS_MS : LEASE_MS,
    concurrency: CONCURRENCY,
    slots: CONCURRENCY * workers,
    kills,
  };
}
