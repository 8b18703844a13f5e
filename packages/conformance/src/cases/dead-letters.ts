/** Cases of the group that the file is named after. */

import type { ConformanceCase } from '../case.ts';

export const cases: readonly ConformanceCase[] = [];
