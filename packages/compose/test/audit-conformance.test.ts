import { testTransport } from '@busbar/conformance/vitest';
import { auditHarness, auditOver } from './audit-harness.ts';
import { filesHarness } from './harness.ts';
import { memoryHybrid } from './hybrid/harness.ts';

const isFull = process.env['BUSBAR_FULL'] === '1';

testTransport(auditHarness(), { profile: isFull ? 'full' : 'smoke' });

if (isFull) {
  testTransport(auditOver(memoryHybrid('urgent fast', { urgent: 7 })), { profile: 'smoke' });
  testTransport(auditOver(filesHarness('before')), { profile: 'smoke' });
}
