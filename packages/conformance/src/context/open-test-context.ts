/** The test context of one case: its store, clients and processes, and their cleanup. */

import { type Agent, type AgentOptions, type Bus, type BusOptions, openBus } from '@busbar/api';
import type { Capabilities, Delivery, MessageInput, SendResult, Transport } from '@busbar/api/transport';
import type { ConformanceCase } from '../case.ts';
import {
  type Harness,
  type HarnessServer,
  type HarnessStore,
  POWERS,
  type Power,
  type Profile,
  type Stranger,
} from '../harness.ts';
import type { Confinement } from '../processes/confinement.ts';
import type { RemoteClient } from '../processes/remote-client.ts';
import { spawnClient } from '../processes/spawn-client.ts';
import { Check } from './check.ts';
import { QueueSteps } from './queue-steps.ts';
import { seededRandom } from './random.ts';
import { Recorder } from './recorder.ts';
import type { Lab } from './test-context.ts';
import { until, within } from './until.ts';

/** Time limit for each cleanup step. */
const CLOSE_MS = 8_000;

/** A test context with its cleanup. */
export interface OpenedLab extends Lab {
  /** Cleans up after the case. Resolves with the problems found. */
  end(): Promise<readonly string[]>;
}

/** Options of a run. */
export interface LabOptions {
  readonly seed: number;
  readonly profile: Profile;
}

/** Creates the store that `subject` needs and opens its first client. */
export async function openLab(
  harness: Harness,
  subject: ConformanceCase,
  { seed, profile }: LabOptions,
): Promise<OpenedLab> {
  const store = await harness.store({ server: wantsServer(harness, subject) });
  try {
    const first = await store.open();
    const powers = powersOf(harness, first.capabilities);
    const stranger = strangerOf(harness, subject);
    return new CaseLab(store, first, { random: seededRandom(seed), profile, powers, stranger });
  } catch (error) {
    await store.remove();
    throw error;
  }
}

/** Returns true if the case needs its own server and the harness can start one. */
function wantsServer({ missing = {}, serverless = false }: Harness, { powers = [] }: ConformanceCase): boolean {
  return powers.includes('server') && !serverless && powers.every((power) => missing[power] === undefined);
}

function strangerOf({ strangers = {} }: Harness, { stranger }: ConformanceCase): (() => Promise<Stranger>) | undefined {
  const found = stranger && strangers[stranger];
  return typeof found === 'function' ? found : undefined;
}

/** Features a case can use. Other processes need a store that reaches them. */
function powersOf(harness: Harness, { reach }: Capabilities): ReadonlySet<Power> {
  const { missing = {}, serverless = false, spare = false } = harness;
  const isThere = (power: Power): boolean => {
    if (power === 'processes' && reach === 'process') return false;
    if (power === 'server' && serverless) return false;
    return missing[power] === undefined && (power !== 'spare' || spare);
  };
  return new Set(POWERS.filter(isThere));
}

/** Further parameters of a test context. */
interface Setting extends Pick<Lab, 'random' | 'profile' | 'powers'> {
  readonly stranger: (() => Promise<Stranger>) | undefined;
}

class CaseLab implements OpenedLab {
  readonly capabilities: Capabilities;
  readonly powers: ReadonlySet<Power>;
  readonly profile: Profile;
  readonly check = new Check();
  readonly recorder = new Recorder();
  readonly random: () => number;
  readonly until = until;
  readonly #store: HarnessStore;
  readonly #steps = new QueueSteps(this.check, this.recorder);
  readonly #deferred: (() => void | Promise<void>)[] = [];
  readonly #buses: Bus[] = [];
  readonly #processes: RemoteClient[] = [];
  readonly #stranger: (() => Promise<Stranger>) | undefined;
  #transports: Transport[];
  #first: Transport | undefined;

  constructor(store: HarnessStore, first: Transport, setting: Setting) {
    this.#store = store;
    this.#first = first;
    this.#transports = [first];
    this.capabilities = first.capabilities;
    this.random = setting.random;
    this.profile = setting.profile;
    this.powers = setting.powers;
    this.#stranger = setting.stranger;
  }

  get folder(): string {
    if (this.#store.folder === undefined) throw new Error('the case needs the power `files`');
    return this.#store.folder;
  }

  get server(): HarnessServer {
    if (this.#store.server === undefined) throw new Error('the case needs the power `server`');
    return this.#store.server;
  }

  async stranger(): Promise<Stranger> {
    if (this.#stranger === undefined) throw new Error('the case needs a stranger');
    const stranger = await this.#stranger();
    this.defer(async () => await stranger.remove());
    return stranger;
  }

  async open(): Promise<Transport> {
    const transport = await this.#store.open();
    this.#transports.push(transport);
    return transport;
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
    if (this.#store.opener === undefined) throw new Error('the case needs the power `processes`');
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

  messages(count: number, fields?: Partial<MessageInput>, prefix?: string): MessageInput[] {
    return this.#steps.messages(count, fields, prefix);
  }

  send(transport: Transport, queue: string, messages: readonly MessageInput[]): Promise<SendResult[]> {
    return this.#steps.send(transport, queue, messages);
  }

  receive(transport: Transport, queue: string, count: number, withinMs?: number): Promise<Delivery[]> {
    return this.#steps.receive(transport, queue, count, withinMs);
  }

  nothing(transport: Transport, queue: string, ms: number): Promise<void> {
    return this.#steps.nothing(transport, queue, ms);
  }

  ack(transport: Transport, deliveries: readonly Delivery[]): Promise<void> {
    return this.#steps.ack(transport, deliveries);
  }

  text(message: { readonly body: Uint8Array }): string {
    return this.#steps.text(message);
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
    this.#store.server?.wire.heal();
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
