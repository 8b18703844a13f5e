/** The whole suite on the NATS transport. */

import { testTransport } from '@busbar/conformance/vitest';
import { harness } from './harness.ts';

testTransport(harness);
