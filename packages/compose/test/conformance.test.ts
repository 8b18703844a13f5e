import { testTransport } from '@busbar/conformance/vitest';
import { filesHarness, memoryHarness } from './harness.ts';

const isFull = process.env['BUSBAR_FULL'] === '1';
const profile = isFull ? 'full' : 'smoke';

testTransport(memoryHarness('never'), { profile });
testTransport(memoryHarness('before'), { profile });
if (isFull) testTransport(filesHarness('during'));
