/** The suite over WebSocket: selected cases, and all in `npm run test:full`. */

import { testTransport } from '@busbar/conformance/vitest';
import { afterAll } from 'vitest';
import { linkHarness } from '../support/link-harness.ts';
import { ws } from '../support/link-kinds.ts';

const profile = process.env['BUSBAR_FULL'] === '1' ? 'full' : 'smoke';
testTransport(linkHarness(ws, 'sqlite:$', afterAll), { profile });
testTransport(linkHarness(ws, 'memory:', afterAll), { profile });
