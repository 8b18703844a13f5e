/** A hub: gives the clients of its links access to a store. */

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Condition } from '@busbar/api/driver';
import { toBusbarError } from '@busbar/api/transport';
import type { HubLink, LinkListener } from '../links/link.ts';
import type { HubStatus } from '../wire/protocol.ts';
import { type AccessToken, AccessTokens } from './access-tokens.ts';
import { HubSession, type SharedHub } from './session.ts';
import { type OpenStore, StorePool } from './store-pool.ts';

/** Options of {@link serveHub}. */
export interface HubOptions {
  /** Opens the store of a namespace. The unnamed namespace, an empty string, is opened at once and stays open. */
  readonly store: OpenStore;
  readonly links: readonly HubLink[];
  /** Tokens that clients need. Default: every client that can connect is accepted. */
  readonly tokens?: readonly AccessToken[] | undefined;
  /** Ends the hub after this time without a client. Default: never. */
  readonly idleMs?: number | undefined;
  /** Receives one line for each different reason to refuse a client. */
  readonly log?: ((line: string) => void) | undefined;
}

/** A hub that listens. */
export interface Hub extends AsyncDisposable {
  /** The URLs where it listens. */
  readonly addresses: readonly string[];
  /** Connected clients. */
  readonly clients: number;
  /** Resolves when the hub has ended. */
  readonly ended: Promise<void>;
  /** Says goodbye to the clients, stops listening and closes the store. Leases stay with their holders. Idempotent. */
  close(): Promise<void>;
}

/** How long an ending hub waits until clients have read their responses. */
const GOODBYE_MS = 2_500;
const POSITIONS_EVERY_MS = 1_000;
/** How long a hub stays to report that its store cannot be opened. */
const REPORT_FAILURE_MS = 1_000;
const MAX_SESSIONS = 10_000;
const MAX_LOG_LINES = 100;
const MAX_LOG_TEXT = 300;

/** Opens the store and listens. After a failure it has closed everything again. */
export async function serveHub(options: HubOptions): Promise<Hub> {
  const hub = new OpenHub(options);
  await hub.open(options.links);
  return hub;
}

class OpenHub implements Hub {
  readonly addresses: string[] = [];
  readonly ended: Promise<void>;
  readonly #shared: SharedHub;
  readonly #stores: StorePool;
  readonly #sessions = new Set<HubSession>();
  readonly #listeners: LinkListener[] = [];
  readonly #idleMs: number | undefined;
  readonly #logged = new Set<string>();
  readonly #empty = new Condition();
  readonly #end = Promise.withResolvers<void>();
  readonly #startedAt = performance.now();
  #idleTimer: NodeJS.Timeout | undefined;
  #positionsTimer: NodeJS.Timeout | undefined;
  #restoring: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor({ store, tokens = [], idleMs, log = () => undefined }: HubOptions) {
    this.#stores = new StorePool(store);
    this.#idleMs = idleMs;
    this.ended = this.#end.promise;
    const accessTokens = new AccessTokens(tokens);
    this.#shared = {
      id: randomUUID(),
      control: { status: (name) => this.#status(name), stop: () => setImmediate(() => void this.close()) },
      stores: this.#stores,
      tokens: accessTokens,
      secret: accessTokens.secret(),
      refused: (reason, address) => this.#logOnce(toLogLine(`${address}: ${reason}`), log),
      onSessionEnd: (session) => this.#onSessionEnd(session),
    };
  }

  get clients(): number {
    return this.#sessions.size;
  }

  async open(links: readonly HubLink[]): Promise<void> {
    const { tokens, refused } = this.#shared;
    try {
      for (const link of links) {
        const listener = await link.listen({
          accept: (connection, peer) => this.#accept(new HubSession(this.#shared, connection, peer)),
          authorizes: (token) => tokens.authorizes(token),
          refused,
        });
        this.#listeners.push(listener);
        this.addresses.push(link.address);
      }
      await this.#stores.acquire('');
    } catch (error) {
      // The client that started this hub in the background learns the reason from the response to its hello.
      if (this.#listeners.length > 0 && this.#idleMs !== undefined) await sleep(REPORT_FAILURE_MS);
      await this.close();
      throw error;
    }
    this.#positionsTimer = setInterval(() => {
      for (const session of this.#sessions) {
        session.sendPositions();
        session.sendPast();
      }
      this.#restoring ??= this.#restoreListeners();
    }, POSITIONS_EVERY_MS);
    this.#positionsTimer.unref();
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
    clearInterval(this.#positionsTimer);
    for (const session of this.#sessions) void session.goodbye('the hub ends');
    if (this.#sessions.size > 0) await this.#empty.waitFor(GOODBYE_MS);
    await this.#stores.close();
    await this.#restoring;
    // Last: a client that finds no listener may start the next hub, which needs the store.
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    this.#end.resolve();
  }

  /** Other programs clean folders. A hub whose files are gone is unreachable for new clients, which cannot start another one. */
  async #restoreListeners(): Promise<void> {
    const lost = this.#listeners.filter(({ isInPlace }) => isInPlace === false);
    try {
      if (lost.length === 0 || this.#closed !== undefined) return;
      const isUnused = this.#sessions.size === 0 && this.#idleMs !== undefined;
      const restored = isUnused ? [false] : await Promise.all(lost.map((listener) => listener.restore?.()));
      if (restored.includes(false)) void this.close();
    } catch (error) {
      this.#shared.refused(`the files of the hub cannot be restored: ${toBusbarError(error).message}`, 'hub');
    } finally {
      this.#restoring = undefined;
    }
  }

  #accept(session: HubSession): HubSession {
    if (this.#closed !== undefined) void session.goodbye('the hub ends');
    else if (this.#sessions.size >= MAX_SESSIONS) void session.goodbye(`${MAX_SESSIONS} clients are connected`);
    this.#sessions.add(session);
    clearTimeout(this.#idleTimer);
    return session;
  }

  #onSessionEnd(session: HubSession): void {
    this.#sessions.delete(session);
    if (this.#sessions.size > 0) return;
    this.#empty.notify();
    this.#watchIdle();
  }

  #status(store: string): HubStatus {
    const { id: hub } = this.#shared;
    const upMs = Math.round(performance.now() - this.#startedAt);
    return { hub, pid: process.pid, store, addresses: this.addresses, clients: this.clients, upMs };
  }

  #watchIdle(): void {
    if (this.#idleMs === undefined || this.#sessions.size > 0 || this.#closed !== undefined) return;
    this.#idleTimer = setTimeout(() => void this.close(), this.#idleMs);
  }

  #logOnce(line: string, log: (line: string) => void): void {
    if (this.#logged.has(line) || this.#logged.size >= MAX_LOG_LINES) return;
    this.#logged.add(line);
    log(line);
  }
}

/** Text of a peer as one line of a log: control and format characters are escaped, so that it can add no line and hide nothing. */
function toLogLine(text: string): string {
  const cut = text.length <= MAX_LOG_TEXT ? text : `${text.slice(0, MAX_LOG_TEXT).toWellFormed()}...`;
  return cut.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}
