/** Reads the JSON of earlier runs, and puts them together. */

import { readFileSync } from 'node:fs';
import type { Figure } from '../figures.ts';
import type { Measurement } from '../measurement.ts';
import type { Report } from './report.ts';

/** JSON has no NaN: it is null there. */
type JsonFigure = Omit<Figure, 'values'> & { readonly values: readonly (number | null)[] };

/** The report of a file. */
function loadReport(file: string): Report {
  const report = JSON.parse(readFileSync(file, 'utf8')) as Report;
  return { ...report, measurements: report.measurements.map(withNumbers) };
}

/** One report of several runs on one machine: the measurements of later files replace those of earlier ones. */
export function loadReports(files: readonly string[]): Report {
  const reports = files.map(loadReport);
  const [first] = reports as [Report];
  const all = new Map(reports.flatMap(({ measurements }) => measurements.map((one) => [keyOf(one), one])));
  return {
    ...first,
    command: reports.map(({ command }) => command).join('; '),
    loadBefore: Math.max(...reports.map(({ loadBefore }) => loadBefore)),
    settings: { ...first.settings, targets: Object.assign({}, ...reports.map(({ settings }) => settings.targets)) },
    measurements: [...all.values()],
  };
}

function keyOf({ scenario, durability, target }: Measurement): string {
  return [scenario, durability, target].join(' ');
}

function withNumbers(measurement: Measurement): Measurement {
  const figures = measurement.figures as readonly JsonFigure[];
  return {
    ...measurement,
    figures: figures.map(({ values, ...figure }) => ({
      ...figure,
      values: values.map((value) => value ?? Number.NaN),
    })),
  };
}
