/** A transport that records what happens to each message of another transport in a log. */

import { hostname } from 'node:os';
import { basename } from 'node:path';
import { WorkFailures } from '@busbar/api/driver';
import {
  type Admin,
  type Calls,
  type Capabilities,
  invalid,
  isBusbarError,
  type KeyValue,
  type Queues,
  type StateChange,
  type StorePast,
  type StoreReset,
  type Topics,
  type Transport,
  type TransportCloseOptions,
  type TransportState,
  type Warning,
  type WorkFailure,
} from '@busbar/api/transport';
import { auditAdmin } from './admin.ts';
import { openDescribe } from './body.ts';
import { auditCalls } from './calls.ts';
import { LogPresence } from './log-presence.ts';
import { LogWriter } from './log-writer.ts';
import { type AuditOptions, OPTIONS } from './options.ts';
import { auditQueues } from './queues.ts';
import { Recorder } from './recorder.ts';
import { StoreObserver } from './store-observer.ts';
import { auditTopics } from './topics.ts';

/** One of the two stores. */
export interface AuditPart {
  /** Its URL without secrets. */
  readonly name: string;
  open(): Promise<Transport>;
}

/** The bus, and the store that takes its records. */
export interface AuditParts {
  readonly of: AuditPart;
  readonly log: AuditPart;
}

const REACH = ['process', 'host', 'network'] as const;

/**
 * Opens `of` with a record of every message in `log`. Everything else passes through. A log that cannot be reached does not
 * stop the bus, unless `onFull` is `refuse`. Rejects with INVALID_ARGUMENT if both are the same store.
 */
export async function openAudit({ of, log }: AuditParts, options: AuditOptions = {}): Promise<Transport> {
  const settings = OPTIONS.complete(options);
  if (of.name === log.name) throw sameStore(of, log);
  const store = await of.open();
  const process = processName();
  const open = async (): Promise<Transport> => {
    const opened = await log.open();
    if (!isSameStore(store, opened)) return opened;
    await opened.close();
    throw sameStore(of, log);
  };
  const failures = new WorkFailures();
  const begin = { host: hostname(), pid: globalThis.process.pid, program: programName() };
  const writer = new LogWriter({ ...settings, process, begin, open, name: log.name, failures });
  try {
    await writer.open();
  } catch (error) {
    const isAway = isBusbarError(error) && error.retryable && settings.onFull === 'gap';
    if (!isAway) {
      await store.close();
      throw error;
    }
  }
  const recorder = new Recorder(writer, store, openDescribe(settings));
  const duty = new StoreObserver({ store, writer, process, lookMs: settings.lookMs });
  const presence = new LogPresence({ process, log: () => writer.log, lookMs: settings.lookMs, duty, failures });
  return new AuditTransport(store, { recorder, presence, failures });
}

/** What records. */
interface AuditParticipants {
  readonly recorder: Recorder;
  readonly presence: LogPresence;
  readonly failures: WorkFailures;
}

/** The transport of the store, with recorded facets. */
class AuditTransport implements Transport {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly warnings: readonly Warning[];
  readonly queues: Queues;
  readonly topics: Topics;
  readonly kv: KeyValue;
  readonly admin: Admin;
  readonly calls?: Calls;
  readonly #store: Transport;
  readonly #recorder: Recorder;
  readonly #presence: LogPresence;
  /** Of the log. */
  readonly #failures: WorkFailures;
  #closed: { readonly store: Promise<void>; readonly all: Promise<void> } | undefined;
  #ended: Promise<void> | undefined;

  constructor(store: Transport, { recorder, presence, failures }: AuditParticipants) {
    this.name = store.name;
    this.capabilities = store.capabilities;
    this.warnings = [...(store.warnings ?? []), ...warningsOf(store, recorder.writer)];
    this.queues = auditQueues(store.queues, recorder);
    this.topics = auditTopics(store.topics, recorder);
    this.kv = store.kv;
    this.admin = auditAdmin(store.admin, recorder);
    if (store.calls !== undefined) this.calls = auditCalls(store.calls, recorder);
    this.#store = store;
    this.#recorder = recorder;
    this.#presence = presence;
    this.#failures = failures;
    store.onReset(({ cause }) => recorder.writer.write({ action: 'reset', reason: cause }));
  }

  get state(): TransportState {
    return this.#store.state;
  }

  get parts(): Transport['parts'] {
    return this.#store.parts;
  }

  get past(): StorePast | undefined {
    return this.#store.past;
  }

  onState(listener: (change: StateChange) => void): () => void {
    return this.#store.onState(listener);
  }

  onReset(listener: (reset: StoreReset) => void): () => void {
    return this.#store.onReset(listener);
  }

  onFailure(listener: (failure: WorkFailure) => void): () => void {
    const stops = [this.#store.onFailure(listener), this.#failures.listen(listener)];
    return () => stops.map((stop) => stop());
  }

  close(options?: TransportCloseOptions): Promise<void> {
    const store = this.#store.close(options);
    if (this.#closed?.store !== store) this.#closed = { store, all: this.#close(store, options) };
    return this.#closed.all;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Closes the log after the store, so that it takes the last records. Bad options close nothing. */
  async #close(store: Promise<void>, options: TransportCloseOptions | undefined): Promise<void> {
    try {
      await store;
    } finally {
      if (this.#store.state === 'closed') {
        this.#ended ??= this.#end(options);
        await this.#ended;
      }
    }
  }

  async #end(options: TransportCloseOptions | undefined): Promise<void> {
    if (options?.leases !== 'keep') this.#recorder.released();
    await this.#presence.close();
    await this.#recorder.writer.close();
  }
}

function warningsOf(store: Transport, { log, name }: LogWriter): Warning[] {
  if (log === undefined) {
    const hint = 'Records wait in memory, and those over bufferBytes are dropped. Check that its server is up.';
    return [{ text: `the audit log ${name} cannot be reached`, hint }];
  }
  const { reach, durability } = log.capabilities;
  const warnings = [...(log.warnings ?? [])];
  if (REACH.indexOf(reach) < REACH.indexOf(store.capabilities.reach)) {
    const hint = 'Choose a log in a store that all of them reach, to see the whole trail of a message in one place.';
    warnings.push({
      text: `the audit log has the reach ${reach}: processes farther away have logs of their own`,
      hint,
    });
  }
  if (durability === 'none') {
    warnings.push({ text: 'the audit log is lost with its process or server', hint: 'Choose a durable log.' });
  }
  return warnings;
}

/** Both are the same namespace of one store. */
function isSameStore(one: Transport, other: Transport): boolean {
  return one.past?.incarnation !== undefined && one.past.incarnation === other.past?.incarnation;
}

function sameStore(of: AuditPart, log: AuditPart): Error {
  return invalid(
    `${of.name} and the log ${log.name} are the same store`,
    'Choose another store or another ns as the log.',
  );
}

/** Tells apart processes of all hosts, also with a pid that is used again. */
function processName(): string {
  return `${hostname()}/${globalThis.process.pid}-${crypto.randomUUID().slice(0, 4)}`;
}

function programName(): string | undefined {
  const [, file] = globalThis.process.argv;
  return file === undefined ? undefined : basename(file);
}
