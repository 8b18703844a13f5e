/** One run of the command: its bus, its agent, and what it closes at the end. */

import { userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Agent, BackgroundFailure, Bus } from '@busbar/api';
import { BusbarError, type CallOptions, invalid, isBusbarError, quote, type Transport } from '@busbar/api/transport';
import { checkSetting, maskBusUrl, maskUrl } from '../bus-url.ts';
import { createProjectFolder, type Environment, type LocatedBus, locateBus } from '../config/locate-bus.ts';
import { isMissing, openUrl } from '../schemes.ts';
import { exactCodec } from './exact-json.ts';
import { parseDuration } from './input/durations.ts';
import type { GlobalFlags } from './input/global-flags.ts';
import type { Interruption } from './interruption.ts';
import type { Output } from './output/output.ts';

/** How often to look whether a missing bus exists. */
const LOOK_MS = 200;

/** Options of a session. */
export interface SessionOptions {
  readonly flags: GlobalFlags;
  readonly out: Output;
  readonly env: Environment;
  readonly interruption: Interruption;
}

/** One run of the command. */
export class Session implements AsyncDisposable {
  readonly out: Output;
  readonly env: Environment;
  /** Fires when the command is interrupted. */
  readonly signal: AbortSignal;
  /** Timeout of each call, if given. */
  readonly timeoutMs: number | undefined;
  readonly #flags: GlobalFlags;
  #transport: Promise<Transport> | undefined;
  #bus: Promise<Bus> | undefined;
  #sender: Promise<Agent> | undefined;
  readonly #interruption: Interruption;
  #creates = false;
  #missing: LocatedBus | undefined;
  #keepsLeases = false;

  constructor({ flags, out, env, interruption }: SessionOptions) {
    this.out = out;
    this.env = env;
    this.signal = interruption.signal;
    this.#interruption = interruption;
    this.#flags = flags;
    const variable = env.BUSBAR_TIMEOUT;
    if (variable !== undefined) checkSetting(variable, 'BUSBAR_TIMEOUT');
    this.timeoutMs =
      flags.timeout ?? (variable === undefined ? undefined : parseDuration(variable, 'BUSBAR_TIMEOUT', 1, 2 ** 31 - 1));
  }

  /** Options of every call. */
  get call(): CallOptions {
    return { signal: this.signal, timeoutMs: this.timeoutMs };
  }

  /** Finds the bus without opening it. `named` overrides flags and environment. */
  locate(named?: string): LocatedBus {
    if (named !== undefined) return locateBus(named, 'URL', this.env);
    return locateBus(this.#flags.url, '--url', this.env);
  }

  /** The transport, opened once. */
  transport(): Promise<Transport> {
    this.#transport ??= this.#open();
    return this.#transport;
  }

  /** The bus over it, opened once. */
  bus(): Promise<Bus> {
    this.#bus ??= this.#openBus();
    return this.#bus;
  }

  /** The agent that sends, without a mailbox or presence of its own. */
  senderAgent(): Promise<Agent> {
    this.#sender ??= this.bus().then((bus) => bus.agent(this.sender, { register: false, presence: false }));
    return this.#sender;
  }

  /** The agent from `--as` or `BUSBAR_AGENT`. */
  get agentName(): string | undefined {
    if (this.#flags.as !== undefined) return this.#flags.as;
    const name = this.env.BUSBAR_AGENT;
    if (name === '') throw invalid('BUSBAR_AGENT is empty', 'Set it to the name of an agent, or unset it.');
    if (name !== undefined) checkSetting(name, 'BUSBAR_AGENT');
    return name;
  }

  /** The sender of messages: the agent's name, else `@cli.<user>`. */
  get sender(): string {
    return this.agentName ?? `@cli.${userName()}`;
  }

  /** The agent whose inbox a command uses: `named`, else the agent to act for. */
  inboxOwner(named: string | undefined): string {
    const name = named ?? this.agentName;
    if (name !== undefined) return name;
    throw invalid('no agent is given', 'Name the agent as an argument, with --as, or in BUSBAR_AGENT.');
  }

  /** This command creates a missing bus. The others find it empty, and leave nothing behind. */
  createsBus(): void {
    this.#creates = true;
    if (this.#missing === undefined) return;
    // What stood for it is empty. The next call opens the bus.
    const [bus, transport] = [this.#bus, this.#transport];
    this.#missing = this.#bus = this.#transport = this.#sender = undefined;
    void closeQuietly(bus, transport);
  }

  /** Does `work`, which creates a missing bus. An empty one in memory gets it first, so that wrong input creates none. */
  async create<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#creates) {
      await this.transport();
      if (this.#missing !== undefined) await work();
      this.createsBus();
    }
    return work();
  }

  /** Opens the bus at this place. Says so if that makes it. */
  async open(located: LocatedBus): Promise<Transport> {
    const isNew = await isMissing(located.url);
    createProjectFolder(located);
    const opening = openUrl(located.url, { waitForServerMs: this.#flags['wait-for-server'] });
    const transport = await openWithin(opening, this.call);
    if (isNew) this.noteNew(located.url);
    return transport;
  }

  /** Says that this command has made a bus. */
  noteNew(url: string): void {
    this.out.note(`busbar: made a new bus at ${maskBusUrl(url)}`);
  }

  /** Says that the bus does not exist, after a command that found it empty. */
  noteMissing(): void {
    if (this.#missing !== undefined) this.out.note(`busbar: ${noBusAt(this.#missing)}; ${CREATORS}`);
  }

  /** `error`, with the hint that the bus does not exist where that is the reason. */
  explain(error: unknown): unknown {
    if (this.#missing === undefined || !isBusbarError(error)) return error;
    const { code, message, outcome } = error;
    if (code !== 'NOT_FOUND' && code !== 'NO_RESPONDER') return error;
    const [creator = ''] = /busbar register \S+/.exec(error.hint ?? '') ?? [];
    const makers = creator === '' ? CREATORS : `${creator} makes one`;
    const hint = `There is ${noBusAt(this.#missing)}; ${makers}. busbar where lists buses nearby.`;
    return new BusbarError(code, message, { hint, outcome, cause: error });
  }

  /** Waits until the bus exists, up to `maxMs`. Says so unless `isQuiet` is set. Returns whether it was missing. */
  async untilBusExists({
    maxMs = Number.POSITIVE_INFINITY,
    isQuiet = false,
  }: {
    readonly maxMs?: number | undefined;
    readonly isQuiet?: boolean;
  } = {}): Promise<boolean> {
    const located = this.locate();
    const { url } = located;
    if (!(await isMissing(url))) return false;
    if (!isQuiet) this.out.note(`busbar: ${noBusAt(located)}; waiting for it`);
    const end = performance.now() + maxMs;
    const left = (): number => end - performance.now();
    do await sleep(Math.max(0, Math.min(LOOK_MS, left())), undefined, { signal: this.signal }).catch(() => undefined);
    while (!this.signal.aborted && left() > 0 && (await isMissing(url)));
    return true;
  }

  /** A command that waits for what it prints also ends when its output has no reader. */
  endWithReader(): void {
    this.#interruption.endWithParent();
    this.#interruption.endWithReader();
  }

  /** A command that waits ends when its parent process has ended. */
  endWithParent(): void {
    this.#interruption.endWithParent();
  }

  /** The signal that interrupted the command. */
  get interruptedBy(): NodeJS.Signals | undefined {
    return this.#interruption.name;
  }

  /** The first signal lets running work end. Resolves with the second one. */
  drainOnSignal(): Promise<void> {
    return this.#interruption.drainFirst();
  }

  /** Keeps the leases of this session when it ends; another process settles them. */
  keepLeases(): void {
    this.#keepsLeases = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const bus = await this.#bus?.catch(() => undefined);
    await bus?.close({ drainMs: 0 });
    const transport = await this.#transport?.catch(() => undefined);
    await transport?.close({ leases: this.#keepsLeases ? 'keep' : 'release' });
  }

  async #open(): Promise<Transport> {
    const located = this.locate();
    // Lines of one turn are parsed before this goes on: one of them may create the bus.
    if ((await isMissing(located.url)) && !this.#creates) {
      this.#missing = located;
      return (await import('./empty-bus.ts')).openEmpty(located.url);
    }
    const transport = await this.open(located);
    const { reach, durability } = transport.capabilities;
    if (reach === 'process' && durability === 'none') {
      this.out.note(`busbar: ${transport.name} lives in one process: its data is lost when this command ends`);
    }
    return transport;
  }

  async #openBus(): Promise<Bus> {
    const [{ openBus }, transport] = await Promise.all([import('@busbar/api'), this.transport()]);
    const said = new Set<string>();
    const onError = ({ error, place }: BackgroundFailure): void => {
      if (said.size === said.add(place).size) return;
      this.out.note(`busbar: ${place}: ${maskUrl(error.message)}`);
    };
    return openBus(transport, { codec: exactCodec, ownsTransport: false, onError });
  }
}

/** An empty bus in memory has nothing to lose. */
async function closeQuietly(bus: Promise<Bus> | undefined, transport: Promise<Transport> | undefined): Promise<void> {
  await (await bus?.catch(() => undefined))?.close({ drainMs: 0 }).catch(() => undefined);
  await (await transport?.catch(() => undefined))?.close().catch(() => undefined);
}

const CREATORS = 'register, publish or task add makes one';

/** Where a bus was looked for, and why there. */
function noBusAt({ url, origin }: LocatedBus): string {
  return `no bus here yet: looked for ${maskBusUrl(url)} (${origin === 'default' ? 'the default' : `from ${origin}`})`;
}

/** The user's name, as a valid token of an agent name. */
function userName(): string {
  try {
    const name = userInfo()
      .username.replaceAll(/[^A-Za-z0-9_-]/g, '-')
      .slice(0, 32);
    if (name !== '') return name;
  } catch {
    // In some containers the user id has no name.
  }
  return `uid-${process.getuid?.() ?? 0}`;
}

/** The error for an argument whose object does not exist. */
export function notFound(what: string, name: string, hint: string): BusbarError {
  return new BusbarError('NOT_FOUND', `unknown ${what} ${quote(name)}`, { hint });
}

/** Waits for `opening` up to the timeout, and until the command is interrupted. A transport that opens later is closed. */
export async function openWithin(opening: Promise<Transport>, call: CallOptions): Promise<Transport> {
  try {
    return await within(opening, call);
  } catch (error) {
    opening.then((transport) => transport.close()).catch(() => undefined);
    throw error;
  }
}

/** Waits for a connection up to the timeout, and until the command is interrupted. */
export async function within<T>(connecting: Promise<T>, { timeoutMs, signal }: CallOptions): Promise<T> {
  const over = Promise.withResolvers<never>();
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => over.reject(tooLate(timeoutMs)), timeoutMs);
  const onAbort = (): void => over.reject(new BusbarError('ABORTED', 'interrupted'));
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted) onAbort();
  try {
    return await Promise.race([connecting, over.promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

function tooLate(timeoutMs: number): BusbarError {
  return new BusbarError('TIMEOUT', `the bus did not open within ${timeoutMs} ms`, {
    hint: 'Give it more time with --timeout, or check that the server is up.',
  });
}
