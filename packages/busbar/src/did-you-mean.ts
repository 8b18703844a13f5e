/** Suggestions in hints. */

import { nearestName } from '@busbar/api/transport';

/** `Did you mean x? ` for the candidate nearest to `word`; empty if none is near. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const found = nearestName(word, candidates);
  return found === undefined ? '' : `Did you mean ${found}? `;
}
