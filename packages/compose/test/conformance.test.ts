import { testTransport } from '@busbar/conformance/vitest';
import { memoryHarness } from './harness.ts';

testTransport(memoryHarness('never'), { profile: 'smoke' });
testTransport(memoryHarness('before'), { profile: 'smoke' });
