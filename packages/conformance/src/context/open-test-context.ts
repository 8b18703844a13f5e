/** Opens the test context of one case. */

import type { Capabilities } from '@busbar/api/transport';
import type { ConformanceCase } from '../case.ts';
import { HARNESS_FEATURES, type Harness, type HarnessFeature, type Profile, type UntrustedClient } from '../harness.ts';
import { seededRandom } from './random.ts';
import { TestContext } from './test-context.ts';

/** Options of a run. */
export interface TestContextOptions {
  readonly seed: number;
  readonly profile: Profile;
}

/** Creates the store that `subject` needs and opens its first client. */
export async function openTestContext(
  harness: Harness,
  subject: ConformanceCase,
  options: TestContextOptions,
): Promise<TestContext> {
  const store = await harness.store({ server: needsServer(harness, subject) });
  try {
    const first = await store.open();
    return new TestContext(store, first, {
      random: seededRandom(options.seed),
      profile: options.profile,
      harnessFeatures: harnessFeaturesOf(harness, first.capabilities),
      untrustedClient: untrustedClientOf(harness, subject),
      another: () => openTestContext(harness, subject, options),
    });
  } catch (error) {
    await store.remove();
    throw error;
  }
}

/** Returns true if the case needs its own server and the harness can start one. */
function needsServer(
  { missing = {}, serverless = false }: Harness,
  { harnessFeatures = [] }: ConformanceCase,
): boolean {
  const needsOwn = harnessFeatures.includes('loss') || (harnessFeatures.includes('server') && !serverless);
  return needsOwn && harnessFeatures.every((feature) => missing[feature] === undefined);
}

function untrustedClientOf(
  { untrustedClients = {} }: Harness,
  { untrustedClient }: ConformanceCase,
): (() => Promise<UntrustedClient>) | undefined {
  const found = untrustedClient && untrustedClients[untrustedClient];
  return typeof found === 'function' ? found : undefined;
}

/** Features a case can use. Other processes need a store that reaches them. */
function harnessFeaturesOf(harness: Harness, { reach }: Capabilities): ReadonlySet<HarnessFeature> {
  const { missing = {}, serverless = false, spare = false } = harness;
  const isThere = (feature: HarnessFeature): boolean => {
    if (feature === 'processes' && reach === 'process') return false;
    if (feature === 'server' && serverless) return false;
    return missing[feature] === undefined && (feature !== 'spare' || spare);
  };
  return new Set(HARNESS_FEATURES.filter(isThere));
}
