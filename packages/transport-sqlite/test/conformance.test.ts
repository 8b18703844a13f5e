import { testTransport } from '@busbar/conformance/vitest';
import { sqliteHarness } from './harness.ts';

testTransport(sqliteHarness());
