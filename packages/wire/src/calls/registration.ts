/** The entries by which requesters find the socket of this process. */

import type { CallContext, KvDriver, WorkFailures } from '@busbar/api/driver';
import type { DirectServer } from './direct-server.ts';
import { keyOf } from './server-directory.ts';

/** How long an entry outlives its process. */
const TTL_MS = 60_000;
const RENEW_MS = 20_000;
const WRITE_TIMEOUT_MS = 10_000;
/** A process that leaves does not wait longer for a store that is away. Its entries expire. */
const DELETE_TIMEOUT_MS = 1_000;

/** What a {@link Registration} works with. */
export interface RegistrationParts {
  readonly kv: KvDriver;
  readonly failures: WorkFailures;
  readonly signal: AbortSignal;
}

/** The addresses of one process in the registry. It listens from the first address on. */
export class Registration {
  readonly #kv: KvDriver;
  readonly #failures: WorkFailures;
  readonly #signal: AbortSignal;
  readonly #listen: () => Promise<DirectServer>;
  readonly #addresses = new Set<string>();
  /** The socket that the entries name comes last. The others lost their files, and still have connections. */
  readonly #servers: DirectServer[] = [];
  #opening: Promise<DirectServer> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor({ kv, failures, signal }: RegistrationParts, listen: () => Promise<DirectServer>) {
    this.#kv = kv;
    this.#failures = failures;
    this.#signal = signal;
    this.#listen = listen;
  }

  /** Resolves when requesters find this process at `address`. If it rejects, the next renewal tries again. */
  async add(address: string): Promise<void> {
    this.#addresses.add(address);
    this.#timer ??= setInterval(() => this.restore(), RENEW_MS).unref();
    await this.#put(address, await this.#server());
  }

  async remove(address: string): Promise<void> {
    if (!this.#addresses.delete(address)) return;
    if (this.#addresses.size === 0) this.#stop();
    const server = this.#servers.at(-1);
    // What fails expires.
    if (server !== undefined) await this.#delete(address, server).catch(() => undefined);
  }

  /** Renews the entries. A failure is reported, and the next renewal tries again. */
  restore(): void {
    this.renew().catch((error: unknown) => {
      if (!this.#signal.aborted) this.#failures.report('registration', error);
    });
  }

  /** Renews the entries, and writes those that the store has lost. Listens again if the files of the socket were removed. */
  async renew(): Promise<void> {
    const addresses = [...this.#addresses];
    if (addresses.length === 0) return;
    const before = this.#servers.at(-1);
    const server = await this.#server();
    const touches = addresses.map((address) => ({ key: keyOf(address, server.name), ttlMs: TTL_MS }));
    const results = server === before ? await this.#kv.touch(touches, this.#context(WRITE_TIMEOUT_MS)) : [];
    const lost = addresses.filter((_, index) => results[index]?.status !== 'touched');
    await Promise.all(lost.map((address) => this.#put(address, server)));
  }

  async close(): Promise<void> {
    this.#stop();
    await Promise.all([...this.#addresses].map((address) => this.remove(address)));
    await this.#opening?.catch(() => undefined);
    await Promise.all(this.#servers.map((server) => server.close()));
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #server(): Promise<DirectServer> {
    const server = this.#servers.at(-1);
    if (server?.isInPlace === true) return server;
    this.#opening ??= this.#open();
    try {
      return await this.#opening;
    } finally {
      this.#opening = undefined;
    }
  }

  async #open(): Promise<DirectServer> {
    const server = await this.#listen();
    this.#servers.push(server);
    return server;
  }

  async #put(address: string, { name }: DirectServer): Promise<void> {
    const value = Buffer.from(JSON.stringify({ pid: process.pid }));
    const condition = { ttlMs: TTL_MS, ifRevision: undefined };
    await this.#kv.put(keyOf(address, name), value, condition, this.#context(WRITE_TIMEOUT_MS));
  }

  async #delete(address: string, { name }: DirectServer): Promise<void> {
    await this.#kv.delete(keyOf(address, name), undefined, this.#context(DELETE_TIMEOUT_MS));
  }

  #context(ms: number): CallContext {
    return { signal: this.#signal, deadline: performance.now() + ms };
  }
}
