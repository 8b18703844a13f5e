/** The Redis driver: connects each facet of the contract to the folder that implements it. */

import {
  type AdminDriver,
  type Driver,
  type KvDriver,
  type QueueDriver,
  type StorePast,
  type TopicDriver,
  WaitingReceives,
  WorkFailures,
} from '@busbar/api/driver';
import type { Capabilities, StateChange, StoreReset, Warning, WorkFailure } from '@busbar/api/transport';
import { browse } from './admin/browse.ts';
import { exportState } from './admin/export.ts';
import { openGate } from './admin/gate.ts';
import { Importer } from './admin/import.ts';
import { listQueues, listTopics } from './admin/inspect.ts';
import { type Operator, openOperator } from './admin/operate.ts';
import { RedisCalls } from './calls/calls.ts';
import { capabilitiesOf } from './capabilities.ts';
import type { ReconnectingClient } from './connection/client.ts';
import type { FoundReset } from './connection/store-past.ts';
import { openKv } from './kv/kv.ts';
import { KvWatches } from './kv/watch.ts';
import { Scheduler } from './maintenance/scheduler.ts';
import type { Settings } from './options.ts';
import { Claimer } from './queues/claim.ts';
import { Sender } from './queues/send.ts';
import { configure } from './queues/settings.ts';
import { Settler } from './queues/settle.ts';
import { Backfill } from './topics/backfill.ts';
import { BindingCache, bind, unbind } from './topics/bindings.ts';
import { EventCursors } from './topics/cursors.ts';
import { Publisher } from './topics/publish.ts';

export class RedisDriver implements Driver {
  readonly name = 'redis';
  readonly capabilities: Capabilities;
  readonly warnings: readonly Warning[];
  readonly queues: QueueDriver;
  readonly topics: TopicDriver;
  readonly kv: KvDriver;
  readonly admin: AdminDriver;
  readonly calls: RedisCalls;
  readonly #client: ReconnectingClient;
  readonly #bindings: BindingCache;
  readonly #backfill: Backfill;
  readonly #cursors: EventCursors;
  readonly #watches: KvWatches;
  readonly #scheduler: Scheduler;
  readonly #operator: Operator;
  /** The loss of the server is a change of state. */
  readonly #failures = new WorkFailures(['UNAVAILABLE', 'TIMEOUT']);
  readonly #resetListeners: ((reset: StoreReset) => void)[] = [];

  constructor(client: ReconnectingClient, settings: Settings) {
    this.#client = client;
    this.capabilities = capabilitiesOf(client.facts, settings);
    this.warnings = client.facts.warnings;
    const waiting = new WaitingReceives();
    this.#bindings = new BindingCache(client);
    this.#backfill = new Backfill(client, this.#bindings, this.#failures);
    this.#cursors = new EventCursors(client);
    this.#watches = new KvWatches(client);
    this.#operator = openOperator(client);
    this.#scheduler = new Scheduler(client, settings, {
      waiting,
      cursors: this.#cursors,
      watches: this.#watches,
      backfill: this.#backfill,
      failures: this.#failures,
    });
    this.queues = this.#openQueues(waiting);
    this.topics = this.#openTopics(new Publisher(client, this.#bindings, settings));
    this.kv = openKv(client, this.#watches);
    const onError = (error: Error): void => this.#failures.report('requests', error);
    this.calls = new RedisCalls(client, this.capabilities.maxBodyBytes, onError);
    const importer = new Importer(client, settings);
    this.admin = this.#openAdmin(importer);
    client.onReconnect(() => void this.#catchUp());
    client.past.onReset((reset) => {
      importer.forgetEvents();
      void this.#recover(reset);
    });
  }

  get past(): StorePast {
    return this.#client.past.past;
  }

  onState(listener: (change: StateChange) => void): void {
    this.#client.onState(listener);
  }

  onReset(listener: (reset: StoreReset) => void): void {
    this.#resetListeners.push(listener);
  }

  onFailure(listener: (failure: WorkFailure) => void): void {
    this.#failures.listen(listener);
  }

  async close(): Promise<void> {
    this.#scheduler.close();
    await this.#backfill.close();
    await this.#cursors.close();
    await this.#watches.close();
    await this.calls.close();
    // If the server cannot be reached, a few small keys stay.
    await this.#operator.removeCleared().catch(() => undefined);
    this.#client.close();
  }

  async #catchUp(): Promise<void> {
    if (await this.#catchUpWatches()) this.#client.past.fellBack();
  }

  /** After a loss of the connection the reconnect tries it again. */
  async #catchUpWatches(): Promise<boolean> {
    try {
      return await this.#watches.catchUp();
    } catch (error) {
      this.#failures.report('watches', error);
      return false;
    }
  }

  /** Goes on over what the store has now, then reports. */
  async #recover(reset: FoundReset): Promise<void> {
    this.#bindings.forget();
    this.#cursors.rewind(reset);
    await this.#catchUpWatches();
    const { cause, detail } = reset;
    for (const listener of this.#resetListeners) listener({ cause, detail });
  }

  #openQueues(waiting: WaitingReceives): QueueDriver {
    const sender = new Sender(this.#client);
    const claimer = new Claimer(this.#client, waiting, this.#backfill);
    const settler = new Settler(this.#client);
    return {
      waiting,
      send: (queue, messages, create, context) => sender.send(queue, messages, create, context),
      claim: (queue, request) => claimer.claim(queue, request),
      settle: (settlements, context) => settler.settle(settlements, context),
      configure: (queue, settings, { deadline }) => configure(this.#client, queue, settings, deadline),
    };
  }

  #openTopics(publisher: Publisher): TopicDriver {
    return {
      publish: (topic, messages, ephemeral, context) =>
        ephemeral ? publisher.publishEphemeral(topic, messages, context) : publisher.publish(topic, messages, context),
      open: (pattern, from, context) => this.#cursors.open(pattern, from, context),
      bind: async (queue, pattern, from, context) => {
        const since = from === 'new' ? undefined : await this.#cursors.findStart(from, context);
        const isBackfillPending = await bind(this.#client, { queue, pattern }, since, context.deadline);
        if (isBackfillPending) void this.#backfill.run(queue);
      },
      unbind: (queue, pattern, { deadline }) =>
        unbind(this.#client, { queue, pattern }, { deadline, backfill: () => this.#backfill.run(queue) }),
    };
  }

  #openAdmin(importer: Importer): AdminDriver {
    const { clear, removeCleared: _, ...operations } = this.#operator;
    return {
      ...operations,
      queues: (filter, { deadline }) => listQueues(this.#client, filter, deadline),
      topics: (page, { deadline }) => listTopics(this.#client, this.#bindings, page, deadline),
      bindings: async ({ deadline }) =>
        (await this.#bindings.all(deadline)).map(({ queue, pattern }) => ({ queue, pattern })),
      browse: (queue, filter, { deadline }) => browse(this.#client, queue, filter, deadline),
      clear: (gateRevision, context) => {
        importer.forgetEvents();
        return clear(gateRevision, context);
      },
      exportState: ({ signal }) => exportState(this.#client, this.#bindings, this.#backfill, signal),
      importState: (records, gateRevision, { deadline }) => importer.importAll(records, { deadline, gateRevision }),
      ...openGate(this.#client),
    };
  }
}
