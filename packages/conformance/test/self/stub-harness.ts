// A harness whose transport only counts its clients, to test the runner.
import type { Capabilities, Feature, Transport } from '@busbar/api/transport';
import type { ConformanceCase, Harness } from '@busbar/conformance';

export interface Stub extends Harness {
  opened: number;
  closed: number;
  removed: number;
}

export interface StubOptions {
  readonly lacks?: Feature;
  readonly missing?: Harness['missing'];
}

export function stubHarness({ lacks, missing }: StubOptions = {}): Stub {
  const stub: Stub = {
    name: 'stub',
    opened: 0,
    closed: 0,
    removed: 0,
    ...(missing && { missing }),
    async store() {
      return {
        async open() {
          stub.opened += 1;
          return stubTransport(lacks, () => (stub.closed += 1));
        },
        async remove() {
          stub.removed += 1;
        },
      };
    },
  };
  return stub;
}

export function stubCase(fields: Partial<ConformanceCase> = {}): ConformanceCase {
  return {
    id: 'P1',
    group: 'Point-to-point',
    title: 'a stub',
    level: 'MUST',
    rules: ['RQ1'],
    run: async ({ check }) => check.ok(true, 'holds'),
    ...fields,
  };
}

function stubTransport(lacks: Feature | undefined, onClose: () => void): Transport {
  let closed = false;
  const close = async (): Promise<void> => {
    if (!closed) onClose();
    closed = true;
  };
  return {
    name: 'stub',
    capabilities: stubCapabilities(lacks),
    close,
    [Symbol.asyncDispose]: close,
  } as unknown as Transport;
}

function stubCapabilities(lacks: Feature | undefined): Capabilities {
  const features = { calls: true, orderingKeys: true, cancel: true, ...(lacks && { [lacks]: false }) };
  return {
    durability: 'none',
    reach: 'process',
    features: features as unknown as Capabilities['features'],
    reasons: lacks === undefined ? {} : { [lacks]: 'The stub has none.' },
    lease: 'timed',
    priorityLevels: 10,
    attemptLossMs: 0,
    settleLossMs: 0,
    granularityMs: 0,
    reclaimMs: 0,
    maxBodyBytes: 524_288,
    retention: { maxAgeMs: 1, maxEvents: 1, maxBytes: 1 },
  };
}
