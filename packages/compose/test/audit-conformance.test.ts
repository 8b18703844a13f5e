import { testTransport } from '@busbar/conformance/vitest';
import { auditHarness } from './audit-harness.ts';

testTransport(auditHarness(), { profile: process.env['BUSBAR_FULL'] === '1' ? 'full' : 'smoke' });
