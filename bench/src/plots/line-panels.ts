/** Lines in panels, each line with its name at its end. */

import { type LabelPlace, placeLabels } from './place-labels.ts';
import { brief, linear, logarithmic, points, type Range, type Scale } from './scale.ts';
import { dot, drawing, type Point, path, rule, type Series, text } from './svg.ts';

/** One line. */
export interface Line {
  readonly label: string;
  readonly series: Series;
  readonly values: readonly LineValue[];
}

/** A value of a line. */
export interface LineValue {
  readonly x: number;
  readonly y: number;
  /** Beyond what the subject keeps up with: a hollow mark. */
  readonly isBeyond?: boolean;
}

/** The lines of one panel. */
export interface LinePanel {
  readonly title: string;
  readonly lines: readonly Line[];
}

/** A chart of {@link LinePanel}s. */
export interface LinePanels {
  readonly title: string;
  readonly subtitle: string;
  readonly panels: readonly LinePanel[];
  readonly x: { readonly title: string; readonly scale: 'log' | 'points' };
  readonly y: { readonly title: string; readonly scale: 'log' | 'linear' };
}

const WIDTH = 900;
const TOP = 108;
const LEFT = 62;
/** For the names at the ends. */
const RIGHT = 100;
const BOTTOM = 50;
const PLOT_HEIGHT = 220;

export function linePanels(chart: LinePanels): string {
  const panels = chart.panels.filter(({ lines }) => lines.some(({ values }) => values.length > 0));
  const columns = Math.min(2, Math.max(1, panels.length));
  const width = WIDTH / columns;
  const height = PLOT_HEIGHT + BOTTOM + 44;
  const all = panels.flatMap(({ lines }) => lines.flatMap(({ values }) => values));
  const parts = [text({ x: 20, y: 28 }, chart.title, 'title'), text({ x: 20, y: 48 }, chart.subtitle, 'quiet')];
  for (const [index, panel] of panels.entries()) {
    const left = (index % columns) * width + LEFT;
    const top = TOP + Math.floor(index / columns) * height;
    const area = { left, right: left + width - LEFT - RIGHT, top, bottom: top + PLOT_HEIGHT };
    const scales = scalesOf(chart, all, area);
    parts.push(
      text({ x: left, y: top - 30 }, panel.title, 'head'),
      ...axes(chart, scales, area),
      ...lines(panel, scales, area.right + RIGHT),
    );
  }
  const rows = Math.ceil(panels.length / columns);
  return drawing({ width: WIDTH, height: TOP + rows * height - 34 }, `${chart.title}. ${chart.subtitle}`, parts);
}

interface Area {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}
interface Scales {
  readonly x: Scale;
  readonly y: Scale;
}

/** All panels have the same scales, so that they can be compared. */
function scalesOf({ x, y }: LinePanels, all: readonly LineValue[], { left, right, top, bottom }: Area): Scales {
  const xs = [...new Set(all.map((value) => value.x))].sort((a, b) => a - b);
  const ys = all.map((value) => value.y);
  const [across, up]: [Range, Range] = [
    [left, right],
    [bottom, top],
  ];
  return {
    x: x.scale === 'points' ? points(xs, across) : logarithmic(Math.min(...xs), Math.max(...xs), across),
    y: y.scale === 'linear' ? linear(Math.max(...ys), up) : logarithmic(Math.min(...ys), Math.max(...ys), up),
  };
}

function axes(chart: LinePanels, { x, y }: Scales, { left, right, top, bottom }: Area): string[] {
  return [
    ...y.ticks.flatMap((tick) => [
      rule({ x: left, y: y.at(tick) }, { x: right, y: y.at(tick) }),
      text({ x: left - 8, y: y.at(tick) + 4 }, brief(tick), 'quiet small end'),
    ]),
    ...x.ticks.map((tick) => text({ x: x.at(tick), y: bottom + 18 }, brief(tick), 'quiet small middle')),
    text({ x: (left + right) / 2, y: bottom + 36 }, chart.x.title, 'quiet small middle'),
    text({ x: left - 42, y: top - 12 }, chart.y.title, 'quiet small'),
  ];
}

function lines({ lines }: LinePanel, { x, y }: Scales, right: number): string[] {
  const drawn = lines
    .filter(({ values }) => values.length > 0)
    // Peers lie below the lines of Busbar.
    .sort((a, b) => Number(b.series === 'peer') - Number(a.series === 'peer'))
    .map((line) => ({ ...line, places: line.values.map((value): Point => ({ x: x.at(value.x), y: y.at(value.y) })) }));
  // Labels of Busbar choose their places first.
  const named = drawn.toReversed();
  const ends = named.map(({ label, places }) => ({ label, end: places.at(-1) as Point }));
  const labels = placeLabels(
    ends,
    drawn.map(({ places }) => places),
    right,
  );
  return [
    ...drawn.map(({ places, series }) => path(places, series)),
    ...drawn.flatMap(({ places, series, values }) =>
      places.map((place, index) => dot(place, series, values[index]?.isBeyond)),
    ),
    ...named.map(({ label, series }, index) => {
      const { anchor, ...place } = labels[index] as LabelPlace;
      return text(place, label, `${series === 'peer' ? 'quiet small' : 'small head'} ${anchor}`);
    }),
  ];
}
