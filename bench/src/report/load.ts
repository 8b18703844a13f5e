/** Reads the JSON of earlier runs. */

import { readFileSync } from 'node:fs';
import type { Figure } from '../figures.ts';
import type { Measurement } from '../measurement.ts';
import type { Report } from './report.ts';

/** JSON has no NaN: it is null there. */
type JsonFigure = Omit<Figure, 'values'> & { readonly values: readonly (number | null)[] };

/** The report of a file. */
export function loadReport(file: string): Report {
  const report = JSON.parse(readFileSync(file, 'utf8')) as Report;
  return { ...report, measurements: report.measurements.map(withNumbers) };
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
