/** Leads a run through its parts: gather, audit and merge, kill meanwhile, count in the end. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Place } from './bus/demo-bus.ts';
import { AUDITS, RESULTS } from './bus/names.ts';
import { patiently } from './bus/retry-while-unavailable.ts';
import type { Display } from './display/display.ts';
import type { Watch } from './display/watch.ts';
import { type DemoOptions, UsageError } from './options.ts';
import { type Kill, killWorkerAtWork } from './processes/kill-worker.ts';
import type { AuditResult, AuditTask, Problem } from './processes/process-event.ts';
import type { Crew } from './processes/workers.ts';
import type { Outcome } from './report/outcome.ts';
import { readResults } from './report/results-file.ts';
import type { Tally } from './report/run-stats.ts';
import { count, hidden } from './report/table.ts';

/** All that a run is made of. */
export interface RunParts {
  readonly options: DemoOptions;
  readonly root: string;
  readonly place: Place;
  readonly crew: Crew;
  readonly tally: Tally;
  readonly watch: Watch;
  readonly display: Display;
}

/** Something violent, once a share of the files is audited. */
interface Strike {
  readonly share: number;
  readonly strike: () => Promise<void>;
}

const EDITORS = 2;
/** Roles that one process plays. */
const SINGLE = ['historian', 'expert', 'coordinator'] as const;
const LOOK_EVERY_MS = 25;

/** Leads one run. */
export class Conductor {
  readonly #parts: RunParts;
  readonly #kills: Kill[] = [];
  #workers = 0;
  #serversKilled = 0;

  constructor(parts: RunParts) {
    this.#parts = parts;
  }

  async perform(): Promise<Outcome> {
    const { crew, tally, watch, place } = this.#parts;
    await this.#gather();
    await this.#begin();
    watch.begin();
    await Promise.all([this.#strikeAll(), this.#untilMerged()]);
    const { seconds } = watch;
    await crew.settle();
    crew.order('historian', { kind: 'count', events: tally.published });
    await tally.when(() => tally.replayed !== undefined);
    const dead = await this.#deadLetters();
    await crew.leave();
    return this.#outcome(seconds, dead, await readResults(place.folder.join('results.jsonl')));
  }

  /** Starts all but the coordinator: the historian is to see every event. */
  async #gather(): Promise<void> {
    const { crew, options } = this.#parts;
    const editors = Array.from({ length: EDITORS }, (_, index) => crew.start('editor', index + 1));
    const workers = Array.from({ length: options.workers }, () => this.#startWorker());
    const others = SINGLE.map((role) => crew.start(role));
    await Promise.all([...others, ...editors, ...workers]);
  }

  async #begin(): Promise<void> {
    const { crew, tally, display, root, options, place } = this.#parts;
    crew.order('coordinator', { kind: 'begin' });
    await tally.when(() => tally.isFound);
    if (tally.files === 0) throw new UsageError(`no source files under ${root}${firstProblem(tally)}`);
    const files = `${count(tally.files)} source file${tally.files === 1 ? '' : 's'}`;
    const workers = `${options.workers} worker${options.workers === 1 ? '' : 's'}`;
    display.say(`${files} under ${hidden(root)}`);
    display.say(`${workers}, ${EDITORS} editors, an expert, a historian and a coordinator`);
    display.say(`bus: ${place.description}`);
  }

  #startWorker(): Promise<void> {
    this.#workers += 1;
    return this.#parts.crew.start('worker', this.#workers);
  }

  /** Every task was handled and every result merged, or given up. */
  async #untilMerged(): Promise<void> {
    const { tally, place } = this.#parts;
    await tally.when(() => tally.isEnqueued);
    for (const name of [AUDITS, RESULTS]) {
      while (!(await isEmpty(place, name))) await sleep(LOOK_EVERY_MS);
    }
    tally.end();
  }

  async #strikeAll(): Promise<void> {
    const { options, place, tally } = this.#parts;
    const killWorker = (): Promise<void> => this.#killWorker();
    const strikes: Strike[] = [
      ...(options.kill ? [1 / 3, 2 / 3].map((share) => ({ share, strike: killWorker })) : []),
      ...(place.server ? [{ share: 1 / 2, strike: () => this.#killServer() }] : []),
    ];
    for (const { share, strike } of strikes.sort((a, b) => a.share - b.share)) {
      await tally.when(() => tally.isOver || tally.audited >= Math.floor(tally.files * share));
      if (!tally.isOver) await strike();
    }
  }

  async #killWorker(): Promise<void> {
    const { place, crew, tally, display } = this.#parts;
    const kill = await killWorkerAtWork(place.bus, crew, () => tally.isOver);
    if (kill === undefined) return;
    this.#kills.push(kill);
    const tasks = kill.held.length === 1 ? 'a task' : `${kill.held.length} tasks`;
    display.say(`killed ${kill.worker} while it held ${tasks}; another worker takes its place`);
    await this.#startWorker();
  }

  async #killServer(): Promise<void> {
    const { place, display } = this.#parts;
    if (place.server === undefined) return;
    const begun = performance.now();
    await place.server.kill();
    this.#serversKilled += 1;
    display.say('killed the server');
    await place.server.start();
    const seconds = ((performance.now() - begun) / 1_000).toFixed(2);
    display.say(`the server is back after ${seconds} s, on the same data`);
  }

  async #deadLetters(): Promise<Problem[]> {
    const { bus } = this.#parts.place;
    const [audits, results] = await Promise.all([AUDITS, RESULTS].map((name) => bus.deadLetters(name).browse()));
    return [
      ...(audits?.messages ?? []).map(({ body, reason }) => ({ path: (body as AuditTask).file, problem: reason })),
      ...(results?.messages ?? []).map(({ body, reason }) => ({
        path: (body as AuditResult).audit.file,
        problem: reason,
      })),
    ];
  }

  #outcome(seconds: number, dead: readonly Problem[], merged: Outcome['merged']): Outcome {
    const { options, root, place, tally } = this.#parts;
    return {
      ...{ root, seconds, tally, merged, dead },
      place: `${place.description} (${place.promises})`,
      workers: options.workers,
      kills: this.#kills,
      killsWanted: options.kill ? 2 : 0,
      serversKilled: this.#serversKilled,
      serverKillWanted: options.killServer,
    };
  }
}

/** How many processes a run has. */
export function processesOf({ workers }: DemoOptions): number {
  return workers + EDITORS + SINGLE.length;
}

async function isEmpty({ bus }: Place, name: string): Promise<boolean> {
  const [queue] = await patiently(() => bus.transport.admin.queues({ names: [name] }));
  return queue === undefined || queue.ready + queue.delayed + queue.leased === 0;
}

function firstProblem({ problems }: Tally): string {
  const [first] = problems;
  return first === undefined ? '' : `; ${first.path}: ${first.problem}`;
}
