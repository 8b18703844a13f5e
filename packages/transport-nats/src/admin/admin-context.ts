/** The parts that the operator's commands read and change: those of queues and topics, and more. */

import { checkGate, isClosed } from '@busbar/api/driver';
import type { Permissions } from '../connection/permissions.ts';
import { ServerRequests } from '../connection/server-requests.ts';
import type { StoreHeaders } from '../connection/store-header.ts';
import type { GateView } from '../gate/gate-view.ts';
import type { StoreGate } from '../gate/store-gate.ts';
import { KvStore } from '../kv/kv-store.ts';
import { Consumers } from '../queues/consumers.ts';
import { Ledgers } from '../queues/ledger.ts';
import type { Notices } from '../queues/notices.ts';
import type { QueueContext } from '../queues/queue-context.ts';
import { QueueRecords } from '../queues/queue-record.ts';
import { Bindings } from '../topics/bindings.ts';
import type { Cursors } from '../topics/cursors.ts';
import type { ImportedQueue } from './imported-queue.ts';
import { QueueViews } from './queue-view.ts';

export interface AdminContext extends QueueContext {
  readonly views: QueueViews;
  readonly notices: Notices;
  readonly bindings: Bindings;
  readonly cursors: Cursors;
  readonly headers: StoreHeaders;
  readonly permissions: Permissions;
}

/** The parts that an import writes to. */
export interface ImportContext extends AdminContext {
  /** Whether the store is open, so that others change it meanwhile. */
  readonly isOpen: boolean;
  /** What imports know by queue. */
  readonly imported: Map<string, ImportedQueue>;
}

/** Batches of one import follow each other sooner. */
const IDLE_MS = 2_000;

/** The parts with which a move writes to a closed store. */
export class ImportContexts {
  readonly #main: AdminContext;
  readonly #gate: StoreGate;
  readonly #open: ImportContext;
  #idle: NodeJS.Timeout | undefined;
  #present: { readonly revision: number; readonly context: ImportContext } | undefined;

  constructor(main: AdminContext, gate: StoreGate) {
    this.#main = main;
    this.#gate = gate;
    this.#open = { ...main, isOpen: true, imported: new Map() };
  }

  /** The parts for a call with this revision. Rejects with CONFLICT where the gate does not permit it. */
  async forCall(gateRevision: number | undefined): Promise<ImportContext> {
    if (gateRevision === undefined && !this.#gate.isClosed) return this.#forOpen();
    const gate = await this.#gate.read();
    checkGate(gate, gateRevision);
    return gateRevision !== undefined && isClosed(gate) ? this.at(gateRevision) : this.#forOpen();
  }

  #forOpen(): ImportContext {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#open.imported.clear(), IDLE_MS).unref();
    return this.#open;
  }

  /** Writes to a store that is closed at this revision. */
  at(revision: number): ImportContext {
    if (this.#present?.revision === revision) return this.#present.context;
    this.close();
    let admitting: Promise<void> | undefined;
    const admit = (): Promise<void> => {
      admitting ??= this.#gate.admit(revision).finally(() => {
        admitting = undefined;
      });
      return admitting;
    };
    const { connection } = this.#main.requests;
    const requests = new ServerRequests(connection, this.#main.names, { revision, admit });
    this.#present = { revision, context: importContextOf(this.#main, requests) };
    return this.#present.context;
  }

  /** Ends the requests of an earlier revision. */
  close(): void {
    this.#present?.context.requests.close();
    this.#present = undefined;
  }
}

/** The parts of `context` with writes that a closed store takes: imports at one revision of its gate. */
function importContextOf(context: AdminContext, requests: ServerRequests): ImportContext {
  const { names, clock, consumers, permissions, kv } = context;
  // It reads and writes as if the store were open.
  const gate: GateView = { isOpen: true, isClosed: false, read: () => context.gate.read() };
  const records = new QueueRecords(requests, names, clock);
  const base = { ...context, requests, gate, records, ledgers: new Ledgers(requests, names) };
  const shared = { ...base, consumers: new Consumers(base, consumers.replicas, permissions) };
  const bindings = new Bindings(shared);
  const views = new QueueViews(shared, bindings);
  return { ...shared, bindings, views, kv: new KvStore(base, kv.puller), isOpen: false, imported: new Map() };
}
