import { testTransport } from '@busbar/conformance/vitest';
import { sqliteHarness } from './harness.ts';

// `npm run conformance` and `npm run test:full` run all of it.
testTransport(sqliteHarness(), { profile: process.env['BUSBAR_FULL'] === '1' ? 'full' : 'smoke' });
