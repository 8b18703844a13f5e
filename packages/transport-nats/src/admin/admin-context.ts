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
import { QueueViews } from './queue-view.ts';

/** What a queue holds that imports go to. */
export interface ImportedQueue {
  /** When the message with each id was sent, or all of them. */
  messages?: Map<string, number | readonly number[]>;
  /** Ids within their windows when it was read. */
  windows?: ReadonlySet<string>;
  /** Set if no id had a record when it was read: the guard of each record refuses a second one. */
  hasNoRecords?: boolean;
}

export interface AdminContext extends QueueContext {
  readonly views: QueueViews;
  readonly notices: Notices;
  readonly bindings: Bindings;
  readonly cursors: Cursors;
  readonly headers: StoreHeaders;
  readonly permissions: Permissions;
  /** What imports have found by queue. It is kept for a closed store only, to which no other process adds messages. */
  readonly imported?: Map<string, ImportedQueue>;
}

/** The parts with which a move writes to a closed store. */
export class ImportContexts {
  readonly #main: AdminContext;
  readonly #gate: StoreGate;
  #present: { readonly revision: number; readonly context: AdminContext } | undefined;

  constructor(main: AdminContext, gate: StoreGate) {
    this.#main = main;
    this.#gate = gate;
  }

  /** The parts for a call with this revision. Rejects with CONFLICT where the gate does not permit it. */
  async forCall(gateRevision: number | undefined): Promise<AdminContext> {
    if (gateRevision === undefined && !this.#gate.isClosed) return this.#main;
    const gate = await this.#gate.read();
    checkGate(gate, gateRevision);
    return gateRevision !== undefined && isClosed(gate) ? this.at(gateRevision) : this.#main;
  }

  /** Writes to a store that is closed at this revision. */
  at(revision: number): AdminContext {
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
function importContextOf(context: AdminContext, requests: ServerRequests): AdminContext {
  const { names, clock, consumers, permissions, kv } = context;
  // It reads and writes as if the store were open.
  const gate: GateView = { isOpen: true, isClosed: false, read: () => context.gate.read() };
  const records = new QueueRecords(requests, names, clock);
  const base = { ...context, requests, gate, records, ledgers: new Ledgers(requests, names), imported: new Map() };
  const shared = { ...base, consumers: new Consumers(base, consumers.replicas, permissions) };
  const bindings = new Bindings(shared);
  return { ...shared, bindings, views: new QueueViews(shared, bindings), kv: new KvStore(base, kv.puller) };
}
