/** Errors: handlers that throw, and the quiet of what goes well. */

import type { ConformanceCase } from '../case.ts';

export const cases: readonly ConformanceCase[] = [];
