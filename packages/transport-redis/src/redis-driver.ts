/** The Redis backend: what a transport asks for, given to the rooms that do it. */

import type { Driver, KvDriver, QueueDriver, TopicDriver } from '@busbar/api/driver';
import type { Capabilities, StateChange, Warning } from '@busbar/api/transport';
import { type Admin, openAdmin } from './admin/operate.ts';
import { capabilitiesOf } from './capabilities.ts';
import type { Link } from './connection/client.ts';
import { Turn } from './connection/tick-batcher.ts';
import { openEntries } from './kv/kv.ts';
import { EntryWatches } from './kv/watch.ts';
import { SCRIPTS } from './lua/scripts.ts';
import { Keeper } from './maintenance/scheduler.ts';
import type { Settings } from './options.ts';
import { WaitingRoom } from './queues/pending-receives.ts';
import { NEW_QUEUE, toFields } from './queues/queue-settings.ts';
import { Sender } from './queues/send.ts';
import { Settler } from './queues/settle.ts';
import { History } from './topics/backfill.ts';
import { Bindings } from './topics/bindings.ts';
import { Cursors } from './topics/cursors.ts';
import { Publisher } from './topics/publish.ts';

export class RedisDriver implements Driver {
  readonly name = 'redis';
  readonly capabilities: Capabilities;
  readonly warnings: readonly Warning[];
  readonly queues: QueueDriver;
  readonly topics: TopicDriver;
  readonly kv: KvDriver;
  readonly admin: Admin;
  readonly #link: Link;
  readonly #keeper: Keeper;
  readonly #waiting: WaitingRoom;
  readonly #cursors: Cursors;
  readonly #watches: EntryWatches;
  readonly #history: History;

  constructor(link: Link, settings: Settings, store: string) {
    this.#link = link;
    this.capabilities = capabilitiesOf(link.facts, settings);
    this.warnings = link.facts.notes;
    const turn = new Turn(link);
    const settler = new Settler(link, turn);
    const bindings = new Bindings(link);
    this.#history = new History(link, bindings);
    this.#waiting = new WaitingRoom(link, turn, settler, (queue) => this.#history.copy(queue));
    this.#cursors = new Cursors(link, store);
    this.#watches = new EntryWatches(link, (ms) => this.#keeper.reschedule(ms));
    this.#keeper = new Keeper(link, settings, {
      isWanted: () => !(this.#waiting.isEmpty && this.#watches.isEmpty && this.#cursors.isEmpty),
      isWatching: () => !this.#watches.isEmpty,
      onLog: (id) => this.#cursors.advance(id),
      onCopying: (queue) => void this.#history.copy(queue),
    });
    this.queues = this.#openQueues(new Sender(link, turn), settler);
    this.topics = this.#openTopics(new Publisher(link, turn, bindings, settings, store));
    this.kv = openEntries(link, this.#watches);
    this.admin = openAdmin(link, bindings, settings);
  }

  onState(listener: (change: StateChange) => void): void {
    this.#link.onState(listener);
  }

  async close(): Promise<void> {
    this.#keeper.close();
    this.#waiting.close();
    await this.#cursors.close();
    await this.#watches.close();
    await this.admin.tidy().catch(() => undefined); // The server is away; what is left is a few small keys.
    this.#link.close();
  }

  #openQueues(sender: Sender, settler: Settler): QueueDriver {
    return {
      send: (queue, messages, create, context) => sender.send(queue, messages, create, context),
      receive: (queue, wanted, context) => {
        if (wanted.waitMs > 0) this.#keeper.reschedule();
        return this.#waiting.receive(queue, wanted, context);
      },
      settle: (settlements, context) => settler.settle(settlements, context),
      configure: async (queue, settings, { deadline }) => {
        const args = [queue, NEW_QUEUE, ...toFields(settings).flat()];
        await this.#link.run(SCRIPTS.configure, args, { deadline, repeat: true });
      },
    };
  }

  #openTopics(publisher: Publisher): TopicDriver {
    return {
      publish: (topic, messages, ephemeral, context) =>
        ephemeral ? publisher.pass(topic, messages, context) : publisher.publish(topic, messages, context),
      open: async (pattern, from, context) => {
        const cursor = await this.#cursors.open(pattern, from, context);
        this.#keeper.reschedule();
        return cursor;
      },
      bind: async (queue, pattern, from, context) => {
        const since = from === 'new' ? '' : await this.#cursors.resolve(from, context);
        const args = [queue, pattern, NEW_QUEUE, since];
        const follows = await this.#link.run(SCRIPTS.bind, args, { deadline: context.deadline, repeat: true });
        if (follows === 1) void this.#history.copy(queue);
      },
      unbind: async (queue, pattern, { deadline }) => {
        await this.#link.run(SCRIPTS.unbind, [queue, pattern], { deadline, repeat: true });
      },
    };
  }
}
