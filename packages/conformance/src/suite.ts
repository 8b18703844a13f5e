/** All cases, in the order of the catalogue. */

import type { ConformanceCase } from './case.ts';
import * as files from './cases.ts';
import { compareIds, groupOf } from './catalogue.ts';

/** Throws unless each id is unique, in the catalogue, and in its group. */
export function checkCases(cases: readonly ConformanceCase[]): readonly ConformanceCase[] {
  const ids = new Set<string>();
  for (const { id, group } of cases) {
    if (ids.has(id)) throw new Error(`there are two cases ${id}`);
    ids.add(id);
    const expected = groupOf(id);
    if (expected === undefined) throw new Error(`case ${id} is not in the catalogue`);
    if (expected !== group) throw new Error(`case ${id} belongs to the group ${expected}, not ${group}`);
  }
  return cases;
}

/** All cases. */
export const SUITE: readonly ConformanceCase[] = checkCases(Object.values(files).flat()).toSorted(compareIds);
