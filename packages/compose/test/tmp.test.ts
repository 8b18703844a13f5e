import { testTransport } from '@busbar/conformance/vitest';
import { filesHarness } from './harness.ts';

testTransport(filesHarness('during'), { profile: 'smoke' });
