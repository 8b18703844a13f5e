// A bus over composed transports after one of its stores came back with less.
import { SUITE } from '@busbar/conformance';
import { testTransport } from '@busbar/conformance/vitest';
import { auditHarness } from './audit-harness.ts';
import { filesHarness } from './harness.ts';
import { memoryHybrid, redisHybrid } from './hybrid/harness.ts';

const cases = SUITE.filter(({ harnessFeatures = [] }) => harnessFeatures.includes('loss'));

testTransport(redisHybrid('by default', {}), { cases });
testTransport(redisHybrid('urgent fast', { urgent: 7 }), { cases });
testTransport(memoryHybrid('by default', {}), { cases });
testTransport(auditHarness(), { cases });
testTransport(filesHarness('never'), { cases });
testTransport(filesHarness('before'), { cases });
