/** The opinion of the expert. */

import type { Audit } from './audit.ts';

/** How long functions may be for the best grades. */
const LONG = 50;
const VERY_LONG = 150;

/** A grade from A to D; a dash for what could not be read. */
export function gradeAudit(audit: Audit): string {
  if (audit.status === 'skipped') return '-';
  const longest = audit.longestFunction?.lines ?? 0;
  if (longest > VERY_LONG) return 'D';
  if (longest > LONG) return 'C';
  return audit.todos > 0 || audit.lines > 400 ? 'B' : 'A';
}
