// The harness for mutants of what only a hub passes on. Its hub ends with the process.
import type { Harness } from '@busbar/conformance';
import { linkHarness } from './link-harness.ts';
import { zmq } from './link-kinds.ts';

export const harness: Harness = linkHarness(zmq, 'sqlite:$', () => undefined);
