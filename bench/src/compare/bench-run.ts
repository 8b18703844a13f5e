/** Runs the benchmarks of one tree once, in a process of their own, and reads their JSON. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { findServer } from '@busbar/testbed';
import type { Figure } from '../figures.ts';
import { UsageError } from '../options.ts';
import type { CompareOptions } from './options.ts';
import type { Run } from './statistics.ts';

/** One run of the benchmarks in the tree at `root`; its JSON passes through `file`. */
export async function runBench(root: string, options: CompareOptions, file: string): Promise<Run> {
  rmSync(file, { force: true });
  const { transports, scenarios, quick } = options;
  const args = [join(root, 'scripts', 'run.mjs'), 'bench', '--transports', transports, '--scenarios', scenarios];
  args.push('--runs', '1', '--json', file, ...(quick ? ['--quick'] : []));
  const env = { ...process.env, ...sameServers() };
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'ignore', 'pipe'] });
  const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'close')]);
  if (code === 2) throw new UsageError(`${root}: ${stderr.split('\n', 1)[0]}`);
  try {
    return readFigures(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`the benchmarks in ${root} wrote no figures (exit code ${code})\n${stderr}`, { cause: error });
  }
}

/** Both trees measure the same servers; an older tree would look for them in other places. */
function sameServers(): Record<string, string> {
  const redis = findServer('redis-server');
  const nats = findServer('nats-server');
  return {
    ...(redis && { BUSBAR_REDIS_SERVER: redis.path }),
    ...(nats && { BUSBAR_NATS_SERVER: nats.path }),
  };
}

/** The JSON of any commit from 08b315f on: earlier ones call a measurement an answer, and its target a subject. */
interface BenchJson {
  readonly measurements?: readonly MeasurementJson[];
  readonly answers?: readonly MeasurementJson[];
}

interface MeasurementJson {
  readonly scenario: string;
  readonly durability: string;
  readonly target?: string;
  readonly subject?: string;
  readonly figures: readonly JsonFigure[];
}

/** A value that is no number, such as NaN, is null in JSON. */
interface JsonFigure extends Omit<Figure, 'values'> {
  readonly values: readonly (number | null)[];
}

/** The figures of one report. */
export function readFigures(json: string): Run {
  const { measurements, answers } = JSON.parse(json) as BenchJson;
  return (measurements ?? answers ?? []).flatMap(({ scenario, durability, target, subject, figures }) =>
    figures.map(({ name, at, unit, better, values }) => ({
      label: [target ?? subject, scenario, durability, name, at].filter((word) => word !== undefined).join(' '),
      unit,
      better,
      values: values.map((value) => value ?? Number.NaN),
    })),
  );
}
