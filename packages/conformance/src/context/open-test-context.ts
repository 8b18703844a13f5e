/** The test context of one case: its store, clients and processes, and their cleanup. */

import { type Agent, type AgentOptions, type Bus, type BusOptions, openBus } from '@busbar/api';
import type { Capabilities, Transport } from '@busbar/api/transport';
import type { ConformanceCase } from '../case.ts';
import {
  HARNESS_FEATURES,
  type Harness,
  type HarnessFeature,
  type HarnessServer,
  type HarnessStore,
  type Profile,
  type StoreOptions,
  type UntrustedClient,
} from '../harness.ts';
import type { Confinement } from '../processes/confinement.ts';
import type { RemoteClient } from '../processes/remote-client.ts';
import { spawnClient } from '../processes/spawn-client.ts';
import { QueueSteps } from './queue-steps.ts';
import { seededRandom } from './random.ts';
import type { TestContext } from './test-context.ts';
import { until, within } from './until.ts';

/** Time limit for each cleanup step. */
const CLOSE_MS = 8_000;

/** A test context with its cleanup. */
export interface OpenTestContext extends TestContext {
  /** Cleans up after the case. Resolves with the problems found. */
  end(): Promise<readonly string[]>;
}

/** Options of a run. */
export interface TestContextOptions {
  readonly seed: number;
  readonly profile: Profile;
}

/** Creates the store that `subject` needs and opens its first client. */
export async function openTestContext(
  harness: Harness,
  subject: ConformanceCase,
  { seed, profile }: TestContextOptions,
): Promise<OpenTestContext> {
  const store = await harness.store({ server: needsServer(harness, subject) });
  try {
    const first = await store.open();
    const available = harnessFeaturesOf(harness, first.capabilities);
    const untrustedClient = untrustedClientOf(harness, subject);
    return new CaseContext(store, first, {
      random: seededRandom(seed),
      profile,
      harnessFeatures: available,
      untrustedClient,
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
  return (
    harnessFeatures.includes('server') &&
    !serverless &&
    harnessFeatures.every((feature) => missing[feature] === undefined)
  );
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

/** Further parameters of a test context. */
interface ContextSettings extends Pick<TestContext, 'random' | 'profile' | 'harnessFeatures'> {
  readonly untrustedClient: (() => Promise<UntrustedClient>) | undefined;
}

class CaseContext extends QueueSteps implements OpenTestContext {
  readonly capabilities: Capabilities;
  readonly harnessFeatures: ReadonlySet<HarnessFeature>;
  readonly profile: Profile;
  readonly random: () => number;
  readonly until = until;
  readonly #store: HarnessStore;
  readonly #deferred: (() => void | Promise<void>)[] = [];
  readonly #buses: Bus[] = [];
  readonly #processes: RemoteClient[] = [];
  readonly #untrustedClient: (() => Promise<UntrustedClient>) | undefined;
  #transports: Transport[];
  #first: Transport | undefined;

  constructor(store: HarnessStore, first: Transport, setting: ContextSettings) {
    super();
    this.#store = store;
    this.#first = first;
    this.#transports = [first];
    this.capabilities = first.capabilities;
    this.random = setting.random;
    this.profile = setting.profile;
    this.harnessFeatures = setting.harnessFeatures;
    this.#untrustedClient = setting.untrustedClient;
  }

  get folder(): string {
    if (this.#store.folder === undefined) throw new Error('the case needs the harness feature `files`');
    return this.#store.folder;
  }

  get server(): HarnessServer {
    if (this.#store.server === undefined) throw new Error('the case needs the harness feature `server`');
    return this.#store.server;
  }

  async untrustedClient(): Promise<UntrustedClient> {
    if (this.#untrustedClient === undefined) throw new Error('the case needs an untrusted client');
    const untrustedClient = await this.#untrustedClient();
    this.defer(async () => await untrustedClient.remove());
    return untrustedClient;
  }

  async open(): Promise<Transport> {
    const transport = await this.#store.open();
    this.#transports.push(transport);
    return transport;
  }

  async openWith(options: StoreOptions): Promise<Transport> {
    if (this.#store.openWith === undefined) throw new Error('the case needs the harness feature `options`');
    const transport = await this.#store.openWith(options);
    this.#transports.push(transport);
    return transport;
  }

  async shiftFormat(by: number): Promise<void> {
    if (this.#store.shiftFormat === undefined) throw new Error('the case needs the harness feature `format`');
    await this.#store.shiftFormat(by);
  }

  async transport(): Promise<Transport> {
    this.#first ??= await this.open();
    return this.#first;
  }

  openFiles(): Promise<Transport> {
    return this.open();
  }

  async reopen(): Promise<Transport> {
    await this.closeAll();
    return this.transport();
  }

  async bus(options?: BusOptions): Promise<Bus> {
    const bus = openBus(await this.open(), options);
    this.#buses.push(bus);
    return bus;
  }

  async agent(name: string, options?: AgentOptions): Promise<Agent> {
    const bus = await this.bus();
    return bus.agent(name, options);
  }

  async process(confinement?: Confinement): Promise<RemoteClient> {
    if (this.#store.opener === undefined) throw new Error('the case needs the harness feature `processes`');
    const client = await spawnClient(this.#store.opener, confinement);
    this.#processes.push(client);
    return client;
  }

  async closeAll(): Promise<void> {
    const buses = this.#buses.splice(0);
    const transports = this.#transports.splice(0);
    this.#first = undefined;
    await Promise.all(buses.map((bus) => bus.close()));
    await Promise.all(transports.map((transport) => transport.close()));
  }

  beyond(ms: number): number {
    return ms + this.capabilities.granularityMs;
  }

  defer(work: () => void | Promise<void>): void {
    this.#deferred.push(work);
  }

  /** Ends active faults so that clients can close. */
  #heal(): void {
    this.#store.server?.resume();
    this.#store.server?.network.heal();
  }

  async end(): Promise<readonly string[]> {
    const problems: string[] = [];
    const step = async (what: string, work: () => unknown): Promise<void> => {
      try {
        await within(CLOSE_MS, `not within ${CLOSE_MS} ms`, Promise.resolve(work()));
      } catch (error) {
        problems.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      }
    };
    await step('healing the wire after the case', () => this.#heal());
    for (const work of this.#deferred.reverse()) await step('a deferred step after the case', work);
    await Promise.all(this.#processes.map((client) => step('killing a process after the case', () => client.kill())));
    await step('closing the clients after the case', () => this.closeAll());
    await step('removing the store after the case', () => this.#store.remove());
    return problems;
  }
}
