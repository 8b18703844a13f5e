/** The whole suite over a Unix socket. With a memory store it runs selected cases, and all in `npm run test:full`. */

import { testTransport } from '@busbar/conformance/vitest';
import { harness, unixHarness } from './harness.ts';

const profile = process.env['BUSBAR_FULL'] === '1' ? 'full' : 'smoke';
testTransport(harness);
testTransport(unixHarness('unix (memory)', 'memory:'), { profile });
