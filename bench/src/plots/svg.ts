/** Parts of a drawing. Colours follow the scheme of the reader, light or dark. */

/** A place in a drawing, in pixels from the top left. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** The classes of {@link STYLE} that give a mark its colour. */
export type Series = 'sqlite' | 'redis' | 'nats' | 'unix' | 'peer';

/** Colours of the marks: on a light surface, on a dark one. */
const COLOURS: Readonly<Record<Series, readonly [light: string, dark: string]>> = {
  sqlite: ['#2a78d6', '#3987e5'],
  redis: ['#e34948', '#e66767'],
  nats: ['#1baf7a', '#199e70'],
  unix: ['#eb6834', '#d95926'],
  peer: ['#a3a199', '#77766f'],
};
const INKS = {
  surface: ['#fcfcfb', '#1a1a19'],
  ink: ['#0b0b0b', '#ffffff'],
  quiet: ['#52514e', '#c3c2b7'],
  grid: ['#e1e0d9', '#33332f'],
} as const;
type Ink = keyof typeof INKS;

function rules(scheme: 0 | 1): string {
  const inks = INK_CLASSES.map(([selector, ink, property]) => `${selector}{${property}:${INKS[ink][scheme]}}`);
  const series = (Object.keys(COLOURS) as Series[]).map(
    (name) => `.${name}{fill:${COLOURS[name][scheme]};stroke:${COLOURS[name][scheme]}}`,
  );
  // Later rules win: a hollow mark has the colour of its series as its outline only.
  return [...series, ...inks].join('');
}

const INK_CLASSES: readonly (readonly [selector: string, ink: Ink, property: 'fill' | 'stroke'])[] = [
  ['.surface', 'surface', 'fill'],
  ['.hollow', 'surface', 'fill'],
  ['text', 'ink', 'fill'],
  ['.quiet', 'quiet', 'fill'],
  ['.grid', 'grid', 'stroke'],
];

const BASE =
  'text{font:12px system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif}' +
  '.title{font-size:15px;font-weight:600}.head{font-weight:600}.small{font-size:11px}.end{text-anchor:end}.middle{text-anchor:middle}' +
  '.line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}.grid{stroke-width:1}.soft{opacity:.45}.bar,.label{stroke:none}';

/** One drawing with its title, as a file. `label` describes it to readers that cannot see it. */
export function drawing(
  size: { readonly width: number; readonly height: number },
  label: string,
  parts: readonly string[],
): string {
  const { width, height } = size;
  const style = `${BASE}${rules(0)}.hollow{stroke-width:2}@media(prefers-color-scheme:dark){${rules(1)}}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeText(label)}">`,
    `<style>${style}</style>`,
    `<rect class="surface" width="${width}" height="${height}" rx="8"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

export function text({ x, y }: Point, content: string, classes = ''): string {
  return `<text x="${round(x)}" y="${round(y)}"${classes === '' ? '' : ` class="${classes}"`}>${escapeText(content)}</text>`;
}

/** A line of the grid. */
export function rule(from: Point, to: Point): string {
  return `<line class="grid" x1="${round(from.x)}" y1="${round(from.y)}" x2="${round(to.x)}" y2="${round(to.y)}"/>`;
}

/** A line of a series. */
export function path(points: readonly Point[], series: Series): string {
  const places = points.map(({ x, y }) => `${round(x)} ${round(y)}`).join('L');
  // The class of the line comes last, since it has no filling.
  return `<path class="${series} line" style="fill:none" d="M${places}"/>`;
}

/** A mark on a line; hollow for a point that is beyond the limit. */
export function dot({ x, y }: Point, series: Series, isHollow = false): string {
  const fill = isHollow ? `class="${series} hollow" style="stroke-width:2"` : `class="${series}"`;
  return `<circle ${fill} cx="${round(x)}" cy="${round(y)}" r="4"/>`;
}

/** A bar from the left, with a round end. */
export function bar(
  { x, y }: Point,
  size: { readonly width: number; readonly height: number },
  classes: string,
): string {
  const { height } = size;
  const width = Math.max(1.5, size.width);
  const radius = Math.min(3, width);
  const right = x + width - radius;
  const corners = `M${round(x)} ${round(y)}H${round(right)}a${radius} ${radius} 0 0 1 ${radius} ${radius}V${round(y + height - radius)}a${radius} ${radius} 0 0 1 -${radius} ${radius}H${round(x)}Z`;
  return `<path class="${classes} bar" style="stroke:none" d="${corners}"/>`;
}

function escapeText(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
