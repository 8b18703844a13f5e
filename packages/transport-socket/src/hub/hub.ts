/** A hub: lends a store to the clients of its links. */

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Door, HubLink, Listener } from '../links/link.ts';
import { type AccessToken, Tokens } from './access-tokens.ts';
import type { HubStatus } from './operations/operation.ts';
import { HubSession, type HubShared } from './session.ts';
import { type OpenStore, Stores } from './store-pool.ts';

/** What a hub is made of. */
export interface HubOptions {
  /** Opens the store of a namespace; the empty string is the unnamed one, which is opened at once and kept. */
  readonly store: OpenStore;
  readonly links: readonly HubLink[];
  /** Who may come in. Default: everybody who can connect. */
  readonly tokens?: readonly AccessToken[];
  /** Ends by itself when it had no client for so long. Default: never. */
  readonly idleMs?: number;
  /** Gets one line for each reason to refuse somebody, once, and not for each time. */
  readonly log?: (line: string) => void;
}

/** A hub that listens. */
export interface Hub extends AsyncDisposable {
  /** The URLs that it listens on. */
  readonly addresses: readonly string[];
  /** Clients that are connected now. */
  readonly clients: number;
  /** Resolves once it is over, whoever ended it. */
  readonly ended: Promise<void>;
  /** Says goodbye to the clients, stops listening and closes the store; leases stay. Idempotent. */
  close(): Promise<void>;
}

/** How long clients may take what was sent to them before the end. */
const GOODBYE_MS = 2_500;
const POSITIONS_EVERY_MS = 1_000;
/** How long a hub that cannot open its store says so. */
const TELL_MS = 1_000;
const MAX_SESSIONS = 10_000;
const MAX_REASONS = 100;

/** Opens the store and listens. Rejects where either cannot be done, and leaves nothing behind then. */
export async function serveHub(options: HubOptions): Promise<Hub> {
  const hub = new OpenHub(options);
  await hub.open(options.links);
  return hub;
}

class OpenHub implements Hub {
  readonly addresses: string[] = [];
  readonly ended: Promise<void>;
  readonly #shared: HubShared;
  readonly #stores: Stores;
  readonly #sessions = new Set<HubSession>();
  readonly #listeners: Listener[] = [];
  readonly #idleMs: number | undefined;
  readonly #reasons = new Set<string>();
  readonly #over = Promise.withResolvers<void>();
  readonly #since = performance.now();
  #idleTimer: NodeJS.Timeout | undefined;
  #positions: NodeJS.Timeout | undefined;
  #whenEmpty: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  constructor({ store, tokens = [], idleMs, log = () => undefined }: HubOptions) {
    this.#stores = new Stores(store);
    this.#idleMs = idleMs;
    this.ended = this.#over.promise;
    this.#shared = {
      id: randomUUID(),
      control: { status: (name) => this.#status(name), stop: () => setImmediate(() => void this.close()) },
      stores: this.#stores,
      tokens: new Tokens(tokens),
      refused: (reason, address) => this.#refused(`${address}: ${reason}`, log),
      ended: (session) => this.#ended(session),
    };
  }

  get clients(): number {
    return this.#sessions.size;
  }

  async open(links: readonly HubLink[]): Promise<void> {
    const { tokens } = this.#shared;
    const door: Door = {
      accept: (connection, peer) => this.#accept(new HubSession(this.#shared, connection, peer)),
      admits: (token) => tokens.admits(token),
      refused: this.#shared.refused,
    };
    try {
      for (const link of links) {
        this.#listeners.push(await link.listen(door));
        this.addresses.push(link.address);
      }
      await this.#stores.lend('');
    } catch (error) {
      // Who started it in the background learns from the answer to its hello why there is no hub.
      if (this.#listeners.length > 0 && this.#idleMs !== undefined) await sleep(TELL_MS);
      await this.close();
      throw error;
    }
    this.#positions = setInterval(() => {
      for (const session of this.#sessions) session.tellPositions();
    }, POSITIONS_EVERY_MS);
    this.#positions.unref();
    this.#watchIdle();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    clearTimeout(this.#idleTimer);
    clearInterval(this.#positions);
    for (const session of this.#sessions) void session.goodbye('the hub ends');
    await this.#empty();
    await this.#stores.close();
    // Last of all: who finds nobody listening may start the next hub, which needs the store.
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    this.#over.resolve();
  }

  async #empty(): Promise<void> {
    if (this.#sessions.size === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#whenEmpty = resolve;
      timer = setTimeout(resolve, GOODBYE_MS);
    });
    clearTimeout(timer);
  }

  #accept(session: HubSession): HubSession {
    if (this.#closed !== undefined) void session.goodbye('the hub ends');
    else if (this.#sessions.size >= MAX_SESSIONS) void session.goodbye(`${MAX_SESSIONS} clients are connected`);
    this.#sessions.add(session);
    clearTimeout(this.#idleTimer);
    return session;
  }

  #ended(session: HubSession): void {
    this.#sessions.delete(session);
    if (this.#sessions.size > 0) return;
    this.#whenEmpty?.();
    this.#watchIdle();
  }

  #status(store: string): HubStatus {
    const { id: hub } = this.#shared;
    const upMs = Math.round(performance.now() - this.#since);
    return { hub, pid: process.pid, store, addresses: this.addresses, clients: this.clients, upMs };
  }

  #watchIdle(): void {
    if (this.#idleMs === undefined || this.#sessions.size > 0 || this.#closed !== undefined) return;
    this.#idleTimer = setTimeout(() => void this.close(), this.#idleMs);
  }

  #refused(line: string, log: (line: string) => void): void {
    if (this.#reasons.has(line) || this.#reasons.size >= MAX_REASONS) return;
    this.#reasons.add(line);
    log(line);
  }
}
