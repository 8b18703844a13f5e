/** The connection of a transport to its server: runs scripts, and reconnects when the connection is lost. */

import { setTimeout } from 'node:timers/promises';
import { BriefConnections, TickBatcher, type TickBatcherOptions } from '@busbar/api/driver';
import { BusbarError, type StateChange } from '@busbar/api/transport';
import { firstWord, isElsewhere, isLoss, toRedisError } from '../errors.ts';
import { MAX_BYTES, MAX_ITEMS } from '../lua/arguments.ts';
import type { Script } from '../lua/script.ts';
import { READ_PAST } from '../lua/store-header.ts';
import type { Settings } from '../options.ts';
import type { Connection, ConnectionLost } from './connection.ts';
import { type DiscoveredServer, discover, prefixOf } from './discovery.ts';
import type { Argument } from './encode-command.ts';
import { PubSubConnection } from './pubsub-connection.ts';
import { Rounds } from './rounds.ts';
import { checkNotLess, type ServerFacts } from './server.ts';
import { type PastReply, StorePast } from './store-past.ts';

const FIRST_PAUSE_MS = 25;
const LONGEST_PAUSE_MS = 1_000;
/** Errors of a server that can be reached and refuses this client. */
const REFUSALS: ReadonlySet<string> = new Set(['PERMISSION_DENIED', 'UNSUPPORTED', 'INVALID_ARGUMENT', 'CONFLICT']);

/** How a script is run. */
export interface RunOptions {
  /** On the clock of `performance.now()`: a script that is not sent by then is rejected. */
  readonly deadline: number;
  /** Whether running it twice has the effect of running it once. If not, a lost reply rejects with the outcome `unknown`. */
  readonly repeat: boolean;
  /** Gets the reply before `run` resolves, in the order of the replies of the connection. */
  readonly onReply?: (reply: unknown) => void;
}

interface Run extends RunOptions {
  /** Called before the script runs again because its reply was lost. */
  readonly onRepeat?: () => void;
  /** It runs again because its reply was lost, so a refusal says nothing of the first run. */
  readonly isRepeated?: boolean;
  /** Undefined: SPUBLISH. */
  readonly script: Script | undefined;
  readonly args: readonly Argument[];
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: BusbarError) => void;
}

/** Two connections, one for scripts and one for channels. Both are replaced when one is lost. */
export class ReconnectingClient {
  readonly prefix: string;
  readonly facts: ServerFacts;
  readonly channels: PubSubConnection;
  readonly past: StorePast = new StorePast();
  readonly #settings: Settings;
  #connection: Connection | undefined;
  /** Hashes of the scripts that this connection has sent. */
  #loaded = new Set<string>();
  #pending: Run[] = [];
  readonly #rounds = new Rounds((works) => this.#sendTogether(works));
  readonly #batchers: { seal(): void }[] = [];
  /** The answer to the last script that was sent. */
  #lastAnswer: Promise<unknown> | undefined;
  /** Why scripts are rejected though the server can be reached. */
  #refusal: BusbarError | undefined;
  readonly #closing = new AbortController();
  readonly #brief = new BriefConnections();
  readonly #stateListeners = new Set<(change: StateChange) => void>();
  readonly #reconnectListeners: (() => void)[] = [];

  private constructor(settings: Settings, connection: Connection, facts: ServerFacts) {
    this.#settings = settings;
    this.prefix = prefixOf(settings);
    this.facts = facts;
    this.channels = new PubSubConnection(this.prefix, settings, (error) => this.#lost(error));
    this.#use(connection);
    void this.channels.use(connection.address);
  }

  /** Connects within `connectTimeoutMs`. */
  static async open(settings: Settings): Promise<ReconnectingClient> {
    const { connection, facts } = await openWithin(settings);
    return new ReconnectingClient(settings, connection, facts);
  }

  /** Calls `listener` after each reconnect. Messages on channels may have been missed. */
  onReconnect(listener: () => void): void {
    this.#reconnectListeners.push(listener);
  }

  onState(listener: (change: StateChange) => void): void {
    this.#stateListeners.add(listener);
  }

  /** Runs a script in the next round trip. While the server cannot be reached, scripts wait in the order of their calls. */
  run(script: Script, args: readonly Argument[], options: RunOptions): Promise<unknown> {
    // Later sends and settlements take effect behind it.
    if (script.changes) for (const batcher of this.#batchers) batcher.seal();
    return new Promise((resolve, reject) => {
      this.#rounds.add(() => this.#submit({ script, args, ...options, resolve, reject }));
    });
  }

  /** Runs a script at once, such as in work of a round trip. */
  runNow(script: Script, args: readonly Argument[], options: RunOptions): Promise<unknown> {
    return new Promise((resolve, reject) => this.#submit({ script, args, ...options, resolve, reject }));
  }

  /** Like `runNow`, for a script that knows what it has stored, so that it can be repeated. Returns also whether it was. */
  async runIdempotentNow(script: Script, args: readonly Argument[], deadline: number): Promise<[unknown, boolean]> {
    let isRepeated = false;
    const onRepeat = (): void => {
      isRepeated = true;
    };
    const reply = await new Promise((resolve, reject) => {
      this.#submit({ script, args, deadline, repeat: true, resolve, reject, onRepeat });
    });
    return [reply, isRepeated];
  }

  /** Publishes on a channel of the namespace at once. Resolves with the number of subscribers. */
  publishNow(channel: string, payload: Argument, options: RunOptions): Promise<unknown> {
    const args = [this.prefix + channel, payload];
    return new Promise((resolve, reject) => this.#submit({ script: undefined, args, ...options, resolve, reject }));
  }

  /** Learns whether the store lost data. The next connection and the next maintenance learn it too. */
  async readPast(): Promise<void> {
    const onReply = (reply: unknown): void => this.past.observe(reply as PastReply);
    await this.runNow(READ_PAST, this.past.args(), { deadline: Number.POSITIVE_INFINITY, repeat: false, onReply });
  }

  /** Batches for one script each. They run in the next round trip. */
  newBatcher<Item, Result>({
    run,
    sizeOf,
  }: Required<Pick<TickBatcherOptions<Item, Result>, 'run' | 'sizeOf'>>): TickBatcher<Item, Result> {
    const schedule = (flush: () => void): void => this.inNextRound(flush);
    const stagger = (items: number): Promise<void> | undefined => this.#rounds.stagger(items);
    const batcher = new TickBatcher({ run, sizeOf, schedule, stagger, maxItems: MAX_ITEMS, maxSize: MAX_BYTES });
    this.#batchers.push(batcher);
    return batcher;
  }

  /** Calls `work`, which runs scripts, in the next round trip. All work of one is written to the socket in one piece. */
  inNextRound(work: () => void): void {
    this.#rounds.add(work);
  }

  close(): void {
    this.#closing.abort();
    this.channels.close();
    this.#connection?.close();
    this.#connection = undefined;
    for (const run of this.#pending.splice(0)) run.reject(closed());
  }

  #sendTogether(works: readonly (() => void)[]): Promise<unknown> | undefined {
    const sendAll = (): void => {
      for (const work of works) work();
    };
    this.#lastAnswer = undefined;
    if (this.#connection === undefined) sendAll();
    else this.#connection.writeTogether(sendAll);
    return this.#lastAnswer;
  }

  #use(connection: Connection): void {
    this.#connection = connection;
    this.#brief.opened();
    this.#loaded = new Set();
    connection.onLost((error) => this.#lost(error));
  }

  #submit(run: Run): void {
    if (this.#closing.signal.aborted) run.reject(closed());
    else if (this.#refusal !== undefined) run.reject(this.#refusal);
    else if (this.#connection === undefined) this.#pending.push(run);
    else this.#send(this.#connection, run);
  }

  #send(connection: Connection, run: Run): void {
    const mark = run.script?.marks ? this.past.nextMark() : 0;
    const onReply = (reply: unknown): void => {
      if (mark > 0) this.past.confirm(mark);
      run.onReply?.(reply);
      run.resolve(reply);
    };
    const answer =
      run.script === undefined
        ? connection.send('spublish', run.args)
        : this.#eval(connection, run.script, run.args, mark);
    this.#lastAnswer = answer;
    answer.then(onReply, (error: unknown) => this.#failed(connection, run, error));
  }

  #eval(connection: Connection, script: Script, args: readonly Argument[], mark: number): Promise<unknown> {
    const isLoaded = this.#loaded.has(script.sha);
    this.#loaded.add(script.sha);
    const [name, body] = isLoaded ? ['evalsha', script.sha] : ['eval', script.source];
    const marks = script.marks ? [this.past.process, mark] : [];
    return connection.send(name, [body, 1, this.prefix, ...args, ...marks]);
  }

  #failed(connection: Connection, run: Run, error: unknown): void {
    // ioredis reports the end later. Until then it rejects each command at once, in an endless loop within this turn.
    if (isLoss(error)) connection.lose('the connection broke');
    if (firstWord(error) === 'NOSCRIPT' && run.script !== undefined && connection === this.#connection) {
      // An operator ran SCRIPT FLUSH.
      this.#loaded.delete(run.script.sha);
      this.#send(connection, run);
    } else if (isElsewhere(error)) {
      connection.lose('the server no longer serves this namespace');
      this.#submit(run);
    } else if (isLoss(error) && run.repeat) {
      run.onRepeat?.();
      this.#submit({ ...run, isRepeated: true });
    } else {
      run.reject(toRedisError(error, { outcome: isLoss(error) || run.isRepeated === true ? 'unknown' : 'failed' }));
    }
  }

  #lost(error: ConnectionLost): void {
    if (this.#closing.signal.aborted || this.#connection === undefined) return;
    const connection = this.#connection;
    this.#connection = undefined;
    connection.close();
    this.channels.drop();
    this.#publishState({ state: 'reconnecting', error: toRedisError(error) });
    void this.#reconnect(this.#brief.ended());
  }

  async #reconnect(pauseMs: number): Promise<void> {
    if (pauseMs > 0) await this.#pause(pauseMs);
    for (let pause = FIRST_PAUSE_MS; !this.#closing.signal.aborted; pause = Math.min(LONGEST_PAUSE_MS, pause * 2)) {
      try {
        await this.#reconnectOnce();
        return;
      } catch (error) {
        this.#rejectIfRefused(toRedisError(error));
      }
      this.#rejectOverdue();
      // The jitter keeps clients that lost the same server from returning at the same moment.
      await this.#pause(pause);
    }
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#closing;
    await setTimeout(ms * (0.5 + Math.random()), undefined, { signal, ref: false }).catch(() => undefined);
  }

  async #reconnectOnce(): Promise<void> {
    const { connection, facts } = await discover(this.#settings);
    try {
      checkNotLess(facts, this.facts);
      await this.channels.use(connection.address);
      if (connection.isLost || this.#closing.signal.aborted) throw unreachable();
    } catch (error) {
      connection.close();
      this.channels.drop();
      throw error;
    }
    this.#use(connection);
    this.#refusal = undefined;
    this.#rejectOverdue();
    connection.writeTogether(() => {
      this.past.connected();
      // First, since writes would hide that the store has lost the marks of this process.
      this.readPast().catch(() => undefined);
      for (const run of this.#pending.splice(0)) this.#send(connection, run);
    });
    this.#publishState({ state: 'open' });
    for (const listener of this.#reconnectListeners) listener();
  }

  /** A server that refuses this client is no outage, so pending and later calls are rejected at once. */
  #rejectIfRefused(error: BusbarError): void {
    const isRefusal = REFUSALS.has(error.code) || error.message.startsWith('the server offers less');
    if (!isRefusal) return;
    const message = `the server no longer serves this bus: ${error.message}`;
    const hint = error.hint ?? 'Restore the earlier settings of the server.';
    this.#refusal = new BusbarError('UNAVAILABLE', message, { hint, cause: error });
    for (const run of this.#pending.splice(0)) run.reject(this.#refusal);
  }

  #rejectOverdue(): void {
    const now = performance.now();
    const overdue = this.#pending.filter(({ deadline }) => deadline <= now);
    if (overdue.length === 0) return;
    this.#pending = this.#pending.filter(({ deadline }) => deadline > now);
    for (const run of overdue) run.reject(unreachable());
  }

  #publishState(change: StateChange): void {
    for (const listener of this.#stateListeners) listener(change);
  }
}

/** Retries while the server loads its data or the cluster elects a master. */
async function openWithin(settings: Settings): Promise<DiscoveredServer> {
  const until = performance.now() + settings.connectTimeoutMs;
  for (;;) {
    try {
      return await discover(settings);
    } catch (error) {
      if (!isElsewhere(error) || performance.now() + 50 > until) throw toRedisError(error);
      await setTimeout(50);
    }
  }
}

function unreachable(): BusbarError {
  return new BusbarError('UNAVAILABLE', 'the server cannot be reached', {
    hint: 'Check that it runs. The transport reconnects by itself.',
  });
}

function closed(): BusbarError {
  return new BusbarError('CLOSED', 'the transport is closed', { hint: 'Open a new one.' });
}
