/** Finds the name that a misspelled one most likely means, for "Did you mean". */

/** Longer names are compared by their beginning only. */
const MAX_LENGTH = 256;

/** The nearest of `names`, if at most a third of the letters of `name` differ; upper and lower case are equal. */
export function nearestName(name: string, names: Iterable<string>): string | undefined {
  const typed = name.toLowerCase().slice(0, MAX_LENGTH);
  let nearest: string | undefined;
  let least = Math.max(1, Math.floor(typed.length / 3)) + 1;
  for (const candidate of names) {
    const known = candidate.toLowerCase().slice(0, MAX_LENGTH);
    if (Math.abs(known.length - typed.length) >= least) continue;
    const distance = editDistance(typed, known);
    if (distance >= least) continue;
    least = distance;
    nearest = candidate;
  }
  return nearest;
}

/** `Did you mean x? ` for the nearest of `names`; empty if none is near. */
export function didYouMean(name: string, names: Iterable<string>): string {
  const nearest = nearestName(name, names);
  return nearest === undefined ? '' : `Did you mean ${nearest}? `;
}

/** How many letters to insert, delete, replace, or swap with the next one. */
function editDistance(a: string, b: string): number {
  let previous: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = at(row, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwap ? at(previous, j - 2) + 1 : Number.POSITIVE_INFINITY;
      next.push(Math.min(replaced, at(row, j) + 1, at(next, j - 1) + 1, swapped));
    }
    previous = row;
    row = next;
  }
  return at(row, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
