/** The whole suite over a Unix socket; with a memory store telling cases, all of them in `npm run test:full`. */

import { testTransport } from '@busbar/conformance/vitest';
import { harness, unixHarness } from './harness.ts';

const profile = process.env['BUSBAR_FULL'] === '1' ? 'full' : 'smoke';
testTransport(harness);
testTransport(unixHarness('unix (memory)', 'memory:'), { profile });
