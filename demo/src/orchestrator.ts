/** Runs the steps of a run: start the processes, audit and merge, kill or move meanwhile, count at the end. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { MoveReport } from '@busbar/compose';
import type { DemoBus } from './bus/demo-bus.ts';
import { AUDITS, RESULTS } from './bus/names.ts';
import { retryWhileUnavailable } from './bus/retry-while-unavailable.ts';
import { type DemoOptions, UsageError } from './options.ts';
import { type Kill, killWorkerAtWork } from './processes/kill-worker.ts';
import type { AuditResult, AuditTask } from './processes/process-event.ts';
import type { Workers } from './processes/workers.ts';
import type { Progress, StatusLine } from './progress.ts';
import { count, printable } from './report/report.ts';
import { readResults } from './report/results-file.ts';
import type { RunOutcome } from './report/run-outcome.ts';
import type { RunStats } from './report/run-stats.ts';

/** What an orchestrator works with. */
export interface RunDependencies {
  readonly options: DemoOptions;
  readonly root: string;
  readonly demoBus: DemoBus;
  readonly workers: Workers;
  readonly stats: RunStats;
  readonly progress: Progress;
  readonly line: StatusLine;
  readonly results: string;
}

/** A kill or a move that is due once a share of the files is audited. */
interface Disturbance {
  readonly share: number;
  readonly run: () => Promise<void>;
}

const EDITORS = 2;
const POLL_EVERY_MS = 25;

/** Runs one run. */
export class Orchestrator {
  readonly #run: RunDependencies;
  readonly #kills: Kill[] = [];
  readonly #replacements: Promise<void>[] = [];
  #lastWorker = 0;
  #serversKilled = 0;
  #moved: MoveReport | undefined;

  constructor(run: RunDependencies) {
    this.#run = run;
  }

  async run(): Promise<RunOutcome> {
    const { workers, stats, progress } = this.#run;
    await this.#startProcesses();
    await this.#begin();
    progress.begin();
    await Promise.all([this.#disturb(), this.#untilMerged()]);
    const { seconds } = progress;
    await Promise.all(this.#replacements);
    await workers.flush();
    workers.order('historian', { kind: 'count', events: stats.published });
    await stats.when(() => stats.replayed !== undefined);
    const dead = await this.#deadLetters();
    await workers.close();
    return this.#outcome(seconds, dead);
  }

  /** All processes are ready before the coordinator begins, so the historian receives every event. */
  async #startProcesses(): Promise<void> {
    const { workers, options } = this.#run;
    const editors = Array.from({ length: EDITORS }, (_, index) => workers.start('editor', index + 1));
    const all = Array.from({ length: options.workers }, () => this.#startWorker());
    const others = (['historian', 'expert', 'coordinator'] as const).map((role) => workers.start(role));
    await Promise.all([...others, ...editors, ...all]);
  }

  async #begin(): Promise<void> {
    const { workers, stats, line, root, options, demoBus } = this.#run;
    workers.order('coordinator', { kind: 'begin' });
    await stats.when(() => stats.files !== undefined);
    if (stats.files === 0) throw new UsageError(`no source files under ${root}`);
    line.say(`${count(stats.files ?? 0)} source files under ${printable(root)}`);
    line.say(`workers: ${options.workers}; editors: ${EDITORS}; one expert, historian and coordinator`);
    line.say(`bus: ${demoBus.description}`);
  }

  #startWorker(): Promise<void> {
    this.#lastWorker += 1;
    return this.#run.workers.start('worker', this.#lastWorker);
  }

  /** Resolves once both queues are empty. */
  async #untilMerged(): Promise<void> {
    const { stats, demoBus } = this.#run;
    await stats.when(() => stats.isEnqueued);
    for (const name of [AUDITS, RESULTS]) {
      while (!(await isEmpty(demoBus, name))) await sleep(POLL_EVERY_MS);
    }
    stats.end();
  }

  async #disturb(): Promise<void> {
    const { options, demoBus, stats } = this.#run;
    const planned: Disturbance[] = [
      ...(options.kill ? [1 / 3, 2 / 3].map((share) => ({ share, run: () => this.#killWorker() })) : []),
      ...(demoBus.server ? [{ share: 1 / 2, run: () => this.#killServer() }] : []),
      ...(demoBus.move ? [{ share: 1 / 2, run: () => this.#move() }] : []),
    ];
    for (const { share, run } of planned.sort((a, b) => a.share - b.share)) {
      await stats.when(() => stats.isOver || stats.audited >= Math.floor((stats.files ?? 0) * share));
      if (!stats.isOver) await run();
    }
  }

  async #killWorker(): Promise<void> {
    const { demoBus, workers, stats, line } = this.#run;
    const kill = await killWorkerAtWork(demoBus.bus, workers, () => stats.isOver);
    if (kill === undefined) return;
    this.#kills.push(kill);
    const tasks = kill.held.length === 1 ? 'a task' : `${kill.held.length} tasks`;
    line.say(`killed ${kill.worker} while it held ${tasks}; another worker takes its place`);
    // The next kill does not wait for the start of a process.
    this.#replacements.push(this.#startWorker());
  }

  async #killServer(): Promise<void> {
    const { demoBus, line } = this.#run;
    if (demoBus.server === undefined) return;
    const begun = performance.now();
    await demoBus.server.kill();
    this.#serversKilled += 1;
    line.say('killed the server');
    await demoBus.server.start();
    const seconds = ((performance.now() - begun) / 1_000).toFixed(2);
    line.say(`the server is back after ${seconds} s, on the same data`);
  }

  /** Moves the bus while all processes work. They follow by themselves. */
  async #move(): Promise<void> {
    const { line, demoBus } = this.#run;
    const { move } = demoBus;
    if (move === undefined) return;
    line.say(`moving the bus from ${move.from} to ${move.to}`);
    this.#moved = await move.run();
    line.say(`the bus is in ${move.to}, after a pause of ${count(this.#moved.pauseMs)} ms`);
  }

  async #deadLetters(): Promise<RunOutcome['dead']> {
    const { bus } = this.#run.demoBus;
    const [audits, results] = await Promise.all([AUDITS, RESULTS].map((name) => bus.deadLetters(name).browse()));
    return [
      ...(audits?.messages ?? []).map(({ body, reason }) => ({ file: (body as AuditTask).file, reason })),
      ...(results?.messages ?? []).map(({ body, reason }) => ({ file: (body as AuditResult).audit.file, reason })),
    ];
  }

  async #outcome(seconds: number, dead: RunOutcome['dead']): Promise<RunOutcome> {
    const { options, root, demoBus, stats, results } = this.#run;
    return {
      ...{ root, seconds, stats, dead, bus: demoBus.description, workers: options.workers },
      merged: await readResults(results),
      kills: this.#kills,
      killsWanted: options.kill ? 2 : 0,
      serversKilled: this.#serversKilled,
      serverKillWanted: options.killServer,
      moveWanted: demoBus.move,
      moved: this.#moved,
    };
  }
}

async function isEmpty({ bus }: DemoBus, name: string): Promise<boolean> {
  const [queue] = await retryWhileUnavailable(() => bus.transport.admin.queues({ names: [name] }));
  return queue === undefined || queue.ready + queue.delayed + queue.leased === 0;
}
