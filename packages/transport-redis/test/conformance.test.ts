/** The conformance suite on the Redis transport. */

import { testTransport } from '@busbar/conformance/vitest';
import { harness } from './harness.ts';

testTransport(harness);
