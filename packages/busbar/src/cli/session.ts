/** One run of the command: its bus, its agent, and what it closes at the end. */

import { userInfo } from 'node:os';
import type { Agent, Bus } from '@busbar/api';
import { BusbarError, type CallOptions, invalid, quote, type Transport } from '@busbar/api/transport';
import { maskUrl } from '../bus-url.ts';
import { createProjectFolder, type Environment, type LocatedBus, locateBus } from '../config/locate-bus.ts';
import { openUrl } from '../schemes.ts';
import { parseDuration } from './input/durations.ts';
import type { GlobalFlags } from './input/global-flags.ts';
import type { Output } from './output/output.ts';

/** Options of a session. */
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
  /** Timeout of each call, if given. */
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
    const variable = env.BUSBAR_TIMEOUT;
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
  async senderAgent(): Promise<Agent> {
    return (await this.bus()).agent(this.sender, { register: false, presence: false });
  }

  /** The agent from `--as` or `BUSBAR_AGENT`. */
  get agentName(): string | undefined {
    const name = this.#flags.as ?? this.env.BUSBAR_AGENT;
    if (name === '') throw invalid('BUSBAR_AGENT is empty', 'Set it to the name of an agent, or unset it.');
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
    createProjectFolder(located);
    const transport = await openUrl(located.url, this.#flags['wait-for-server']);
    const { reach, durability } = transport.capabilities;
    if (reach === 'process' && durability === 'none') {
      this.out.note(`busbar: ${transport.name} lives in one process: its data is lost when this command ends`);
    }
    return transport;
  }

  async #openBus(): Promise<Bus> {
    const [{ openBus }, transport] = await Promise.all([import('@busbar/api'), this.transport()]);
    const said = new Set<string>();
    const onError = (error: Error, where: string): void => {
      if (said.size === said.add(where).size) return;
      this.out.note(`busbar: ${where}: ${maskUrl(error.message)}`);
    };
    return openBus(transport, { ownsTransport: false, onError });
  }
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
