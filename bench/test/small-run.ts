/** Small runs of the benchmarks, in processes of their own. */

import { readFileSync } from 'node:fs';
import { runNode, tempDir } from '@busbar/testbed';
import { expect } from 'vitest';
import type { Report } from '../src/report/report.ts';

export const MAIN = new URL('../src/main.ts', import.meta.url);

/** Exit code 0, and every figure in the JSON. */
export async function bench(args: string): Promise<{ report: Report; stdout: string }> {
  await using folder = tempDir();
  const json = folder.join('deep/figures.json');
  const all = `--quick --messages 200 ${args} --json ${json}`.split(' ');
  const { code, stdout, stderr } = await runNode({ file: MAIN, args: all, timeoutMs: 110_000 });
  expect([code, stderr], stdout).toEqual([0, '']);
  return { report: JSON.parse(readFileSync(json, 'utf8')) as Report, stdout };
}

/** Scenario and target of each measurement whose figures all have values, and whose runs lost and doubled nothing. */
export function measured({ measurements }: Report): string[] {
  const isGood = (value: number | null): boolean => value !== null && value > -1;
  const whole = measurements.filter(
    ({ figures, runs }) =>
      figures.every(({ values }) => values.length > 0 && values.every(isGood)) &&
      runs.every(({ lost, doubled, reordered }) => lost === 0 && doubled === 0 && reordered === 0),
  );
  return whole.map(({ scenario, target }) => `${scenario} ${target}`);
}
