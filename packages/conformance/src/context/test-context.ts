/** Everything a case uses: clients of its store, counted assertions, recorded deliveries, processes. */

import { type Agent, type AgentOptions, type Bus, type BusOptions, openBus } from '@busbar/api';
import type { Capabilities, Transport } from '@busbar/api/transport';
import type {
  HarnessFeature,
  HarnessLoss,
  HarnessServer,
  HarnessStore,
  Profile,
  StoreOptions,
  UntrustedClient,
} from '../harness.ts';
import type { Confinement } from '../processes/confinement.ts';
import type { RemoteClient } from '../processes/remote-client.ts';
import { spawnClient } from '../processes/remote-client.ts';
import { QueueSteps } from './queue-steps.ts';
import { until, within } from './until.ts';

/** Time limit for each cleanup step. */
const CLOSE_MS = 8_000;

/** Further parameters of a test context. */
export interface ContextSettings extends Pick<TestContext, 'random' | 'profile' | 'harnessFeatures'> {
  readonly untrustedClient: (() => Promise<UntrustedClient>) | undefined;
  readonly another: () => Promise<TestContext>;
}

/** Created for each case with its own store. Closes and removes everything it opened. */
export class TestContext extends QueueSteps {
  readonly capabilities: Capabilities;
  /** Features of the harness on this machine. */
  readonly harnessFeatures: ReadonlySet<HarnessFeature>;
  /** The profile of the run. A case may do more in `full`. */
  readonly profile: Profile;
  /** Returns a number in [0, 1) derived from the seed of the run. */
  readonly random: () => number;
  /** Resolves with the first truthy value of `condition`. Fails with `what` after `withinMs` (default 5,000). */
  readonly until: typeof until = until;
  readonly #store: HarnessStore;
  readonly #deferred: (() => void | Promise<void>)[] = [];
  readonly #buses: Bus[] = [];
  readonly #processes: RemoteClient[] = [];
  readonly #untrustedClient: (() => Promise<UntrustedClient>) | undefined;
  readonly #another: () => Promise<TestContext>;
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
    this.#another = setting.another;
  }

  /** Folder of the store. Needs the harness feature `files`. */
  get folder(): string {
    if (this.#store.folder === undefined) throw new Error('the case needs the harness feature `files`');
    return this.#store.folder;
  }

  /** The server of the store and its network. Needs the harness feature `server`. */
  get server(): HarnessServer {
    if (this.#store.server === undefined) throw new Error('the case needs the harness feature `server`');
    return this.#store.server;
  }

  /** Makes the store lose its data. Needs the harness feature `loss`. */
  get loss(): HarnessLoss {
    if (this.#store.loss === undefined) throw new Error('the case needs the harness feature `loss`');
    return this.#store.loss;
  }

  /** Opens the client of `untrustedClient` of the case. */
  async untrustedClient(): Promise<UntrustedClient> {
    if (this.#untrustedClient === undefined) throw new Error('the case needs an untrusted client');
    const untrustedClient = await this.#untrustedClient();
    this.defer(async () => await untrustedClient.remove());
    return untrustedClient;
  }

  /** Creates a test context with a store of its own, for a fault beside another. It ends with this one. */
  async another(): Promise<TestContext> {
    const other = await this.#another();
    this.defer(async () => {
      const problems = await other.end();
      if (problems.length > 0) throw new Error(problems.join('; '));
    });
    return other;
  }

  /** Opens another client of the store. */
  async open(): Promise<Transport> {
    const transport = await this.#store.open();
    this.#transports.push(transport);
    return transport;
  }

  /** Opens another client with further options. Needs the harness feature `options`. */
  async openWith(options: StoreOptions): Promise<Transport> {
    if (this.#store.openWith === undefined) throw new Error('the case needs the harness feature `options`');
    const transport = await this.#store.openWith(options);
    this.#transports.push(transport);
    return transport;
  }

  /** Adds `by` to the format version in the store, while no client is open. Needs the harness feature `format`. */
  async shiftFormat(by: number): Promise<void> {
    if (this.#store.shiftFormat === undefined) throw new Error('the case needs the harness feature `format`');
    await this.#store.shiftFormat(by);
  }

  /** Returns the first client, opened once. */
  async transport(): Promise<Transport> {
    this.#first ??= await this.open();
    return this.#first;
  }

  /** Reopens the store in `folder` after damage. Rejects with the error of the opener. Needs `files`. */
  openFiles(): Promise<Transport> {
    return this.open();
  }

  /** Closes all clients and reopens the store. Needs the harness feature `reopen`. */
  async reopen(): Promise<Transport> {
    await this.closeAll();
    return this.transport();
  }

  /** Opens a bus over another client. It prints no failures, which cases provoke. */
  async bus(options?: BusOptions): Promise<Bus> {
    const bus = openBus(await this.open(), { onError: () => undefined, ...options });
    this.#buses.push(bus);
    return bus;
  }

  /** Opens an agent on its own bus. */
  async agent(name: string, options?: AgentOptions): Promise<Agent> {
    const bus = await this.bus();
    return bus.agent(name, options);
  }

  /** Starts a client in its own process. Needs the harness feature `processes`. */
  async process(confinement?: Confinement): Promise<RemoteClient> {
    if (this.#store.opener === undefined) throw new Error('the case needs the harness feature `processes`');
    const client = await spawnClient(this.#store.opener, confinement);
    this.#processes.push(client);
    return client;
  }

  /** Closes all clients of this process. Clients in other processes stay open. */
  async closeAll(): Promise<void> {
    const buses = this.#buses.splice(0);
    const transports = this.#transports.splice(0);
    this.#first = undefined;
    await Promise.all(buses.map((bus) => bus.close()));
    await Promise.all(transports.map((transport) => transport.close()));
  }

  /** Returns `ms` plus the declared granularity. */
  beyond(ms: number): number {
    return ms + this.capabilities.granularityMs;
  }

  /** Runs `work` when the case ends, passed or failed. */
  defer(work: () => void | Promise<void>): void {
    this.#deferred.push(work);
  }

  /** Ends active faults so that clients can close. */
  #heal(): void {
    this.#store.server?.resume();
    this.#store.server?.network.heal();
  }

  /** Cleans up after the case. Resolves with the problems found. */
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
