/** Checks measured figures against the bars of the design. */

import { ratio, show, typical } from '../figures.ts';
import { figureOf, type Measurement } from '../measurement.ts';
import { BARS, OTHERS, type Threshold } from './bars.ts';

/** A row for each threshold whose figure was measured: figure, value, threshold, verdict. */
export function checkThresholds(measurements: readonly Measurement[]): string[][] {
  return [...BARS, ...OTHERS].flatMap((threshold) => {
    const row = check(threshold, measurements);
    return row === undefined ? [] : [row];
  });
}

/** A table in Markdown: each bar with the ratios and bounds that it consists of. */
export function renderBars(measurements: readonly Measurement[]): string {
  const rows = [...new Set(BARS.map(({ bar }) => bar))].map((bar) => {
    const checks = BARS.filter((one) => one.bar === bar).map((one) => check(one, measurements));
    const measured = checks.filter((row) => row !== undefined);
    if (measured.length === 0) return `| ${bar} | not measured | | |`;
    const values = withOneUnit(measured.map((row) => row[1] ?? ''));
    const bars = [...new Set(measured.map((row) => row[2] ?? ''))].join(', ');
    const missed = measured.filter((row) => row[3] !== verdict(true)).length;
    return `| ${bar} | ${values} | ${bars} | ${missed === 0 ? 'holds' : `**${missed} of ${measured.length} missed**`} |`;
  });
  return ['| what | measured | bar | |', '|---|---|---|---|', ...rows].join('\n');
}

/** `2.1×, 4.4× plainjob` for figures beside the same peer, or of the same unit. */
function withOneUnit(cells: readonly string[]): string {
  const units = new Set(cells.map((cell) => cell.split(' ').slice(1).join(' ')));
  if (units.size > 1) return cells.join(', ');
  return `${cells.map((cell) => cell.split(' ')[0]).join(', ')} ${[...units].join('')}`.trim();
}

function check(threshold: Threshold, measurements: readonly Measurement[]): string[] | undefined {
  const { scenario, at, figure: name, of, ofAt, times = 0, bound = 0 } = threshold;
  const figure = figureOf(measurements, threshold);
  const other = of === undefined ? undefined : figureOf(measurements, { ...threshold, target: of, at: ofAt ?? at });
  if (figure === undefined || (of !== undefined && other === undefined)) return undefined;
  const what = [threshold.target, scenario, name, at].filter((word) => word).join(' ');
  if (other !== undefined) {
    const measured = ratio(figure, other);
    return [what, `${show(measured)}× ${ofAt ?? of}`, `≥ ${times}×`, verdict(measured >= times)];
  }
  const value = typical(figure);
  const [sign, isMet] = figure.better === 'up' ? ['≥', value >= bound] : ['≤', value <= bound];
  return [what, `${show(value)} ${figure.unit}`, `${sign} ${bound.toLocaleString('en-US')}`, verdict(isMet)];
}

function verdict(isMet: boolean): string {
  return isMet ? 'met' : 'NOT MET';
}
