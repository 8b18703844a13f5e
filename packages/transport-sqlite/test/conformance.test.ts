/** The whole suite on the SQLite transport; with every commit synced the telling cases, all of them in `npm run test:full`. */

import { testTransport } from '@busbar/conformance/vitest';
import { sqliteHarness } from './harness.ts';

testTransport(sqliteHarness());
testTransport(sqliteHarness('power'), { profile: process.env['BUSBAR_FULL'] === '1' ? 'full' : 'smoke' });
