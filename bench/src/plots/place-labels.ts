/** Places for the names of lines, so that they cover neither a line nor each other. */

import type { Point } from './svg.ts';

/** The name of a line, and the end of the line. */
export interface EndLabel {
  readonly label: string;
  readonly end: Point;
}

/** Where a name is written. */
export interface LabelPlace extends Point {
  readonly anchor: 'start' | 'middle' | 'end';
}

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const CHARACTER = 6.8;
const HEIGHT = 12;
/** Names cover other names worse than lines. */
const COVERS_NAME = 100;
/** Right of the mark, then above or below it, then further away. */
const CANDIDATES: readonly LabelPlace[] = [
  ...[4, -3, 11, -9, 17].map((y) => ({ x: 9, y, anchor: 'start' as const })),
  ...[-10, 19, -23, 32, -36].map((y) => ({ x: 0, y, anchor: 'middle' as const })),
  ...[4, -10].map((y) => ({ x: -9, y, anchor: 'end' as const })),
];

/** The best place for each name, one after the other. `lines` are the places on all lines. */
export function placeLabels(
  labels: readonly EndLabel[],
  lines: readonly (readonly Point[])[],
  most: number,
): LabelPlace[] {
  if (new Set(labels.map(({ end }) => end.x)).size === 1) return column(labels);
  const covered = lines.flatMap(sample);
  const names: Box[] = [];
  return labels.map(({ label, end }) => {
    const costs = CANDIDATES.map((candidate, index) => {
      const place = { ...candidate, x: end.x + candidate.x, y: end.y + candidate.y };
      const box = boxOf(place, label.length * CHARACTER);
      const lost = box.right > most ? COVERS_NAME : 0;
      const cost =
        names.filter((other) => overlaps(box, other)).length * COVERS_NAME +
        covered.filter((point) => isIn(point, box)).length;
      return { place, box, cost: cost + lost + index / 10 };
    });
    const best = costs.reduce((one, other) => (other.cost < one.cost ? other : one));
    names.push(best.box);
    return best.place;
  });
}

/** One below the other, where all lines end together. */
function column(labels: readonly EndLabel[]): LabelPlace[] {
  const order = labels.map(({ end }, index) => ({ index, x: end.x + 9, y: end.y + 4 })).sort((a, b) => a.y - b.y);
  for (const [at, one] of order.entries())
    one.y = Math.max(one.y, (order[at - 1]?.y ?? Number.NEGATIVE_INFINITY) + HEIGHT + 1);
  const places = order.sort((a, b) => a.index - b.index);
  return places.map(({ x, y }) => ({ x, y, anchor: 'start' }));
}

/** Points on a line, close to each other. */
function sample(line: readonly Point[]): Point[] {
  return line.slice(1).flatMap((to, index) => {
    const from = line[index] as Point;
    const steps = Math.max(1, Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / 4));
    return Array.from({ length: steps + 1 }, (_, step) => ({
      x: from.x + ((to.x - from.x) * step) / steps,
      y: from.y + ((to.y - from.y) * step) / steps,
    }));
  });
}

function boxOf({ x, y, anchor }: LabelPlace, width: number): Box {
  const left = x - { start: 0, middle: width / 2, end: width }[anchor];
  return { left, right: left + width, top: y - HEIGHT + 2, bottom: y + 2 };
}

function overlaps(one: Box, other: Box): boolean {
  return one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
}

function isIn({ x, y }: Point, { left, right, top, bottom }: Box): boolean {
  return x > left && x < right && y > top && y < bottom;
}
