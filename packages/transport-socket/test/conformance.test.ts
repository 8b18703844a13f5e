/** The whole suite over a Unix socket; with a memory store telling cases, all of them in `npm run test:full`. */

import { SUITE } from '@busbar/conformance';
import { testTransport } from '@busbar/conformance/vitest';
import { harness, unixHarness } from './harness.ts';

const isFull = process.env['BUSBAR_FULL'] === '1';
// X3 keeps the disk busy for up to a minute; faults.test.ts kills hubs in every run.
testTransport(harness, isFull ? {} : { cases: SUITE.filter(({ id }) => id !== 'X3') });
testTransport(unixHarness('unix (memory)', 'memory:'), { profile: isFull ? 'full' : 'smoke' });
