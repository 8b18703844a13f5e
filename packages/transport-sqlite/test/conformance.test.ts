/** The conformance suite on SQLite. With synced commits only the smoke profile, or all of it in `npm run test:full`. */

import { testTransport } from '@busbar/conformance/vitest';
import { sqliteHarness } from './harness.ts';

testTransport(sqliteHarness());
testTransport(sqliteHarness('power'), { profile: process.env['BUSBAR_FULL'] === '1' ? 'full' : 'smoke' });
