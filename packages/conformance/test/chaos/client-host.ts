// Starts, kills, pauses and closes the clients of a round.
import type { HarnessStore } from '@busbar/conformance';
import { type Child, spawnChild, waitFor } from '@busbar/testbed';
import { seededRandom, seedFor } from '../../src/context/random.ts';
import { ChaosClient } from './chaos-client.ts';
import type { ProgramArgument } from './client-program.ts';
import type { Fact, Order } from './fact.ts';

/** What a client host needs. */
export interface HostSetting {
  readonly name: string;
  readonly peers: readonly string[];
  readonly seed: number;
  readonly store: HarnessStore;
  readonly record: (fact: Fact) => void;
  readonly wrong: (text: string) => void;
}

/** One client, with one life after the other. */
export interface ClientHost {
  readonly name: string;
  /** The number of the present or last life. */
  readonly life: number;
  readonly isAlive: boolean;
  start(): Promise<void>;
  /** Ends it without any order. */
  kill(): Promise<void>;
  close(): Promise<void>;
  order(order: Order): void;
  pause(): Promise<void>;
  resume(): void;
}

const CLOSE_MS = 30_000;

/** A client in its own process. */
export class ProcessHost implements ClientHost {
  readonly name: string;
  life = 0;
  readonly #setting: HostSetting;
  #child: Child | undefined;

  constructor(setting: HostSetting) {
    this.name = setting.name;
    this.#setting = setting;
  }

  get isAlive(): boolean {
    return this.#child !== undefined;
  }

  async start(): Promise<void> {
    const { name, peers, seed, store, record, wrong } = this.#setting;
    if (store.opener === undefined) throw new Error('the harness has no opener');
    this.life += 1;
    const argument: ProgramArgument = { opener: store.opener, name, life: this.life, peers, seed };
    const child = spawnChild({
      file: new URL('./client-program.ts', import.meta.url),
      args: [JSON.stringify(argument)],
      onMessage: (fact) => record(fact as Fact),
    });
    this.#child = child;
    void child.exited.then(({ code, signal }) => {
      if (child.stderr !== '') wrong(`${name}/${argument.life} printed: ${child.stderr.slice(0, 2_000)}`);
      if (this.#child !== child) return;
      this.#child = undefined;
      wrong(`${name}/${argument.life} ended by itself with ${code ?? signal}`);
    });
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    await child?.kill();
  }

  async close(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    child.send({ kind: 'close' });
    const late = setTimeout(() => {
      this.#setting.wrong(`${this.name}/${this.life} did not close within ${CLOSE_MS} ms`);
      void child.kill();
    }, CLOSE_MS);
    await child.exited;
    clearTimeout(late);
  }

  order(order: Order): void {
    this.#child?.send(order);
  }

  async pause(): Promise<void> {
    this.#child?.stop();
  }

  resume(): void {
    this.#child?.cont();
  }
}

/** A client in this process, for a store that no other process can open. */
export class LocalHost implements ClientHost {
  readonly name: string;
  life = 0;
  readonly #setting: HostSetting;
  #client: ChaosClient | undefined;

  constructor(setting: HostSetting) {
    this.name = setting.name;
    this.#setting = setting;
  }

  get isAlive(): boolean {
    return this.#client !== undefined;
  }

  async start(): Promise<void> {
    const { name, peers, seed, store, record } = this.#setting;
    this.life += 1;
    const { life } = this;
    const random = seededRandom(seedFor(seed, `${name}/${life}`));
    const client = new ChaosClient(await store.open(), {
      name,
      life,
      peers,
      random,
      report: async (fact) => record(fact),
    });
    this.#client = client;
    await client.start();
  }

  async kill(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.close('keep');
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.close();
  }

  order({ kind }: Order): void {
    if (kind === 'stop') void this.#client?.stop();
  }

  async pause(): Promise<void> {}

  resume(): void {}
}

/** Resolves when a client is ready. */
export function untilReady(host: ClientHost, facts: readonly Fact[], timeoutMs: number): Promise<unknown> {
  const isReady = ({ kind, client, life }: Fact): boolean =>
    kind === 'ready' && client === host.name && life === host.life;
  return waitFor(() => facts.some(isReady), { what: `${host.name}/${host.life} to be ready`, timeoutMs });
}
