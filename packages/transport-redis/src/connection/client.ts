/** The way to the server: one connection for commands, one for what is published; both are found anew when lost. */

import { BusbarError, type Capabilities, type StateChange } from '@busbar/api/transport';
import { firstWord, isElsewhere, isLoss, toRedisError } from '../errors.ts';
import type { Script } from '../lua/scripts.ts';
import type { Settings } from '../options.ts';
import type { Argument, Connection, ConnectionLost } from './connection.ts';
import { dial } from './discovery.ts';
import { Ears } from './pubsub-connection.ts';
import { checkNotLess, readServer, type ServerFacts } from './server.ts';

const FIRST_PAUSE_MS = 25;
const LONGEST_PAUSE_MS = 1_000;
/** What a server that is there says to those it will not have. */
const REFUSALS: ReadonlySet<string> = new Set(['PERMISSION_DENIED', 'UNSUPPORTED', 'INVALID_ARGUMENT']);

/** How a call is to be carried out. */
export interface Bounds {
  /** On the clock of `performance.now()`: what is not sent by then is not sent any more. */
  readonly deadline: number;
  /** Whether doing it twice is as good as once. Where not, a lost answer fails it, its outcome unknown. */
  readonly repeat: boolean;
  /** Told when it is done again since nobody knows whether it was done. */
  readonly onRepeat?: () => void;
}

interface Job extends Bounds {
  readonly script: Script;
  readonly args: readonly Argument[];
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: BusbarError) => void;
}

/** The way to the server. */
export class Link {
  readonly prefix: string;
  readonly facts: ServerFacts;
  readonly ears: Ears;
  readonly #settings: Settings;
  #connection: Connection | undefined;
  /** Scripts that the server knows from this connection. */
  #loaded = new Set<string>();
  #pending: Job[] = [];
  /** Why nothing is sent though there is a server: it offers less, or lets us in no more. */
  #refusal: BusbarError | undefined;
  #isClosed = false;
  #endPause: () => void = () => undefined;
  readonly #onState = new Set<(change: StateChange) => void>();
  readonly #onReturn: (() => void)[] = [];

  private constructor(settings: Settings, connection: Connection, facts: ServerFacts) {
    this.#settings = settings;
    this.prefix = prefixOf(settings);
    this.facts = facts;
    this.ears = new Ears(this.prefix, settings, (error) => this.#lost(error));
    this.#use(connection);
    void this.ears.use(connection.address);
  }

  /** Connects, within the time that the settings give. */
  static async open(settings: Settings): Promise<Link> {
    const { connection, facts } = await openWithin(settings);
    return new Link(settings, connection, facts);
  }

  /** What is called when the server was lost and is there again: much may have passed unheard. */
  onReturn(listener: () => void): void {
    this.#onReturn.push(listener);
  }

  onState(listener: (change: StateChange) => void): void {
    this.#onState.add(listener);
  }

  /** Runs a script. While the server is away it waits, in the order of the calls. */
  run(script: Script, args: readonly Argument[], bounds: Bounds): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const job: Job = { script, args, resolve, reject, ...bounds };
      if (this.#isClosed) reject(closed());
      else if (this.#refusal !== undefined) reject(this.#refusal);
      else if (this.#connection === undefined) this.#pending.push(job);
      else this.#send(this.#connection, job);
    });
  }

  /** What is called in `work` leaves in one piece. */
  together(work: () => void): void {
    if (this.#connection === undefined) work();
    else this.#connection.together(work);
  }

  close(): void {
    this.#isClosed = true;
    this.#endPause();
    this.ears.close();
    this.#connection?.close();
    this.#connection = undefined;
    for (const job of this.#pending.splice(0)) job.reject(closed());
  }

  #use(connection: Connection): void {
    this.#connection = connection;
    this.#loaded = new Set();
    connection.onLost = (error) => this.#lost(error);
  }

  #send(connection: Connection, job: Job): void {
    const { script, args } = job;
    const isKnown = this.#loaded.has(script.sha);
    this.#loaded.add(script.sha);
    const [name, body] = isKnown ? ['evalsha', script.sha] : ['eval', script.source];
    connection
      .send(name, [body, 1, this.prefix, ...args])
      .then(job.resolve, (error: unknown) => this.#failed(connection, job, error));
  }

  #failed(connection: Connection, job: Job, error: unknown): void {
    // The client tells its end later; until then it refuses whatever is sent, without ever leaving this turn.
    if (isLoss(error)) connection.lose('the connection broke');
    if (firstWord(error) === 'NOSCRIPT' && connection === this.#connection) {
      // Somebody had the server forget its scripts.
      this.#loaded.delete(job.script.sha);
      this.#send(connection, job);
    } else if (isElsewhere(error)) {
      connection.lose('the server serves this namespace no more');
      this.#again(job);
    } else if (isLoss(error) && job.repeat) {
      job.onRepeat?.();
      this.#again(job);
    } else {
      job.reject(toRedisError(error, { outcome: isLoss(error) ? 'unknown' : 'failed' }));
    }
  }

  #again(job: Job): void {
    if (this.#isClosed) job.reject(closed());
    else if (this.#refusal !== undefined) job.reject(this.#refusal);
    else if (this.#connection !== undefined) this.#send(this.#connection, job);
    else this.#pending.push(job);
  }

  #lost(error: ConnectionLost): void {
    if (this.#isClosed || this.#connection === undefined) return;
    const connection = this.#connection;
    this.#connection = undefined;
    connection.close();
    this.ears.drop();
    this.#tell({ state: 'reconnecting', error: toRedisError(error) });
    void this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    for (let pause = FIRST_PAUSE_MS; !this.#isClosed; pause = Math.min(LONGEST_PAUSE_MS, pause * 2)) {
      try {
        await this.#return();
        return;
      } catch (error) {
        this.#refuseIfLess(toRedisError(error));
      }
      this.#dropOverdue();
      // Many who lost the same server shall not come back at the same moment.
      await this.#pause(pause * (0.5 + Math.random()));
    }
  }

  async #return(): Promise<void> {
    const { connection, facts } = await openOnce(this.#settings);
    try {
      checkNotLess(facts, this.facts);
      await this.ears.use(connection.address);
      if (connection.isLost || this.#isClosed) throw away();
    } catch (error) {
      connection.close();
      this.ears.drop();
      throw error;
    }
    this.#use(connection);
    this.#refusal = undefined;
    this.#dropOverdue();
    connection.together(() => {
      for (const job of this.#pending.splice(0)) this.#send(connection, job);
    });
    this.#tell({ state: 'open' });
    for (const listener of this.#onReturn) listener();
  }

  /** A server that is there and will not have us is no outage: who calls learns of it at once. */
  #refuseIfLess(error: BusbarError): void {
    const isThere = REFUSALS.has(error.code) || error.message.startsWith('the server offers less');
    if (!isThere) return;
    const message = `the server does not serve this bus any more: ${error.message}`;
    const hint = error.hint ?? 'Set it as it was.';
    this.#refusal = new BusbarError('UNAVAILABLE', message, { hint, cause: error });
    for (const job of this.#pending.splice(0)) job.reject(this.#refusal);
  }

  #dropOverdue(): void {
    const now = performance.now();
    const overdue = this.#pending.filter(({ deadline }) => deadline <= now);
    if (overdue.length === 0) return;
    this.#pending = this.#pending.filter(({ deadline }) => deadline > now);
    for (const job of overdue) job.reject(away());
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #tell(change: StateChange): void {
    for (const listener of this.#onState) listener(change);
  }
}

/** All keys of a namespace begin with this, and share its hash tag: so they lie on one node of a cluster. */
export function prefixOf({ ns }: Pick<Settings, 'ns'>): string {
  return `{busbar:${ns}}:`;
}

interface Opened {
  readonly connection: Connection;
  readonly facts: ServerFacts & Pick<Capabilities, 'durability'>;
}

async function openOnce(settings: Settings): Promise<Opened> {
  const connection = await dial(settings, `${prefixOf(settings)}meta`);
  try {
    return { connection, facts: await readServer(connection, settings) };
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** A server that still loads its data, or a cluster that still elects, is waited for. */
async function openWithin(settings: Settings): Promise<Opened> {
  const until = performance.now() + settings.connectTimeoutMs;
  for (;;) {
    try {
      return await openOnce(settings);
    } catch (error) {
      if (!isElsewhere(error) || performance.now() + 50 > until) throw toRedisError(error);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function away(): BusbarError {
  return new BusbarError('UNAVAILABLE', 'the server is away', {
    hint: 'See that it runs; the transport reconnects by itself.',
  });
}

function closed(): BusbarError {
  return new BusbarError('CLOSED', 'the transport is closed', { hint: 'Open a new one.' });
}
