/** Horizontal bars in panels side by side, with the number at the end of each bar. */

import { brief, linear } from './scale.ts';
import { bar, drawing, rule, type Series, text } from './svg.ts';

/** One row: the same subject in every panel. */
export interface BarRow {
  readonly label: string;
  readonly series: Series;
  /** The bars of each panel, from strong to soft; empty where the subject was not measured. */
  readonly panels: readonly (readonly number[])[];
  /** A gap above it: another group begins. */
  readonly isFirst: boolean;
}

/** A chart of {@link BarRow}s. */
export interface BarPanels {
  readonly title: string;
  readonly subtitle: string;
  readonly panels: readonly string[];
  readonly rows: readonly BarRow[];
  readonly unit: string;
}

const WIDTH = 900;
const LEFT = 150;
const TOP = 84;
const GAP = 28;
const LABEL = 44;
const BAR = 9;
const ROW = 26;
const GROUP = 12;

export function barPanels({ title, subtitle, panels, rows, unit }: BarPanels): string {
  const panelWidth = (WIDTH - LEFT - GAP * panels.length) / panels.length;
  const most = Math.max(1, ...rows.flatMap((row) => row.panels.flat()).filter((value) => value > 0));
  const tops: number[] = [];
  let bottom = TOP;
  for (const { isFirst } of rows) {
    bottom += isFirst && tops.length > 0 ? GROUP : 0;
    tops.push(bottom);
    bottom += ROW;
  }
  const parts = [text({ x: 20, y: 28 }, title, 'title'), text({ x: 20, y: 48 }, subtitle, 'quiet')];
  for (const [index, name] of panels.entries()) {
    const left = LEFT + index * (panelWidth + GAP);
    const scale = linear(most, [0, panelWidth - LABEL], 3);
    parts.push(text({ x: left, y: TOP - 12 }, name, 'head'));
    for (const tick of scale.ticks) {
      const x = left + scale.at(tick);
      parts.push(
        rule({ x, y: TOP - 4 }, { x, y: bottom }),
        text({ x, y: bottom + 16 }, brief(tick), 'quiet small middle'),
      );
    }
    for (const [at, row] of rows.entries())
      parts.push(...bars(row, index, { left, top: tops[at] ?? 0, scale: scale.at }));
  }
  for (const [at, row] of rows.entries()) parts.push(text({ x: LEFT - 12, y: (tops[at] ?? 0) + 15 }, row.label, 'end'));
  parts.push(text({ x: WIDTH - GAP, y: bottom + 34 }, unit, 'quiet small end'));
  return drawing({ width: WIDTH, height: bottom + 48 }, `${title}. ${subtitle}`, parts);
}

interface Place {
  readonly left: number;
  readonly top: number;
  scale(value: number): number;
}

function bars({ series, panels }: BarRow, panel: number, { left, top, scale }: Place): string[] {
  return (panels[panel] ?? []).flatMap((value, index) => {
    const y = top + 2 + index * (BAR + 2);
    const width = scale(value);
    return [
      bar({ x: left, y }, { width, height: BAR }, index === 0 ? series : `${series} soft`),
      text({ x: left + Math.max(2, width) + 5, y: y + BAR - 1 }, brief(value), index === 0 ? 'small' : 'small quiet'),
    ];
  });
}
