/** One run of the command: where its bus is, who it acts for, and what it must close at the end. */

import { userInfo } from 'node:os';
import type { Agent, Bus } from '@busbar/api';
import { BusbarError, type CallOptions, invalid, quote, type Transport } from '@busbar/api/transport';
import { type Environment, type Located, locateBus, prepare } from '../config/locate-bus.ts';
import { openUrl } from '../schemes.ts';
import { parseDuration } from './input/durations.ts';
import type { GlobalFlags } from './input/global-flags.ts';
import type { Output } from './output/output.ts';

/** What a session is made of. */
export interface SessionOptions {
  readonly flags: GlobalFlags;
  readonly out: Output;
  readonly env: Environment;
  /** Fires when the command is interrupted. */
  readonly signal: AbortSignal;
}

/** One run of the command. */
export class Session implements AsyncDisposable {
  readonly out: Output;
  readonly env: Environment;
  readonly signal: AbortSignal;
  /** Bound of each call, where it was said. */
  readonly timeoutMs: number | undefined;
  readonly #flags: GlobalFlags;
  #transport: Promise<Transport> | undefined;
  #bus: Promise<Bus> | undefined;
  #keepsLeases = false;

  constructor({ flags, out, env, signal }: SessionOptions) {
    this.out = out;
    this.env = env;
    this.signal = signal;
    this.#flags = flags;
    const said = env.BUSBAR_TIMEOUT;
    this.timeoutMs =
      flags.timeout ?? (said === undefined ? undefined : parseDuration(said, 'BUSBAR_TIMEOUT', 1, 2 ** 31 - 1));
  }

  /** Bounds for a call of the bus. */
  get call(): CallOptions {
    return { signal: this.signal, ...(this.timeoutMs === undefined ? {} : { timeoutMs: this.timeoutMs }) };
  }

  /** The bus that is meant, not opened. `named` goes before all else. */
  locate(named?: string): Located {
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

  /** Who sends: the agent acted for, else the user; no mailbox and no presence come of it. */
  async speaker(): Promise<Agent> {
    return (await this.bus()).agent(this.sender, { register: false, presence: false });
  }

  /** The agent that is named by `--as` or `BUSBAR_AGENT`. */
  get agentName(): string | undefined {
    const name = this.#flags.as ?? this.env.BUSBAR_AGENT;
    if (name === '') throw invalid('BUSBAR_AGENT is empty', 'Set it to the name of an agent, or unset it.');
    return name;
  }

  /** The name that messages are sent under: the agent's, else `@cli.<user>`. */
  get sender(): string {
    return this.agentName ?? `@cli.${userName()}`;
  }

  /** The agent whose inbox a command works on: `named`, else the one acted for. */
  inboxOwner(named: string | undefined): string {
    const name = named ?? this.agentName;
    if (name !== undefined) return name;
    throw invalid('whose inbox?', 'Name the agent as an argument, with --as, or in BUSBAR_AGENT.');
  }

  /** Leases taken in this session outlive it, for another process to settle. */
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
    prepare(located);
    const transport = await openUrl(located.url);
    if (transport.capabilities.reach === 'process') {
      this.out.note(`busbar: ${transport.name} is a bus within one process: nothing of it outlives this command`);
    }
    return transport;
  }

  async #openBus(): Promise<Bus> {
    const [{ openBus }, transport] = await Promise.all([import('@busbar/api'), this.transport()]);
    return openBus(transport, { ownsTransport: false });
  }
}

/** The user's name as a token of an agent's name. */
function userName(): string {
  try {
    const name = userInfo()
      .username.replaceAll(/[^A-Za-z0-9_-]/g, '-')
      .slice(0, 32);
    if (name !== '') return name;
  } catch {
    // No such user is known to the system, as in some containers.
  }
  return `uid-${process.getuid?.() ?? 0}`;
}

/** For arguments that name something: what it is, when it was not found. */
export function notFound(what: string, name: string, hint: string): BusbarError {
  return new BusbarError('NOT_FOUND', `there is no ${what} ${quote(name)}`, { hint });
}
