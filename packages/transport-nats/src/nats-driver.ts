/** The backend over one stream of a NATS server: see `replica.ts` for how. */

import type { AdminDriver, Driver, KvDriver, QueueDriver } from '@busbar/api/driver';
import { BusbarError, type Capabilities, type StateChange } from '@busbar/api/transport';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { openAdmin } from './admin.ts';
import { Calls } from './calls/calls.ts';
import { capabilitiesOf, RECORD_OVERHEAD } from './capabilities.ts';
import { openEntries } from './entries.ts';
import { noJetStream, toNatsError } from './errors.ts';
import { Feeder } from './feeder.ts';
import { Janitor } from './janitor.ts';
import { Link } from './link.ts';
import { namesOf } from './names.ts';
import type { Settings } from './options.ts';
import { openQueues } from './queues.ts';
import { Replica } from './replica.ts';
import { ensureStream, type StreamFacts } from './stream.ts';
import { Ticker } from './ticker.ts';
import { Timers } from './timers.ts';
import { Topics } from './topics.ts';
import { WaitingRoom } from './waiting-room.ts';

const MIN_BODY = 524_288;

/** The backend over one stream of a NATS server. */
export class NatsDriver implements Driver {
  readonly name = 'nats';
  readonly capabilities: Capabilities;
  readonly queues: QueueDriver;
  readonly topics: Topics;
  readonly kv: KvDriver;
  readonly admin: AdminDriver;
  readonly calls: Calls;
  readonly #link: Link;
  readonly #replica: Replica;
  readonly #timers = new Timers();
  readonly #janitor: Janitor;

  private constructor(link: Link, replica: Replica, settings: Settings, facts: StreamFacts) {
    this.#link = link;
    this.#replica = replica;
    this.capabilities = capabilitiesOf(facts, settings, maxPayloadOf(link.connection));
    const room = new WaitingRoom(replica, this.#timers);
    const ticker = new Ticker(replica, this.#timers, () => !room.isEmpty || replica.state.entries.watches.size > 0);
    this.#janitor = new Janitor(replica);
    const feeder = new Feeder(replica);
    const queues = openQueues(replica, room);
    this.queues = {
      ...queues,
      receive: (queue, wanted, context) => {
        if (replica.state.bindings.unfed(queue) !== undefined) feeder.begin(queue).catch(() => undefined); // The next claim tries again.
        const deliveries = queues.receive(queue, wanted, context);
        ticker.hurry();
        return deliveries;
      },
    };
    this.topics = new Topics(replica, feeder);
    this.kv = openEntries(replica, () => ticker.hurry());
    this.admin = openAdmin(replica, this.#janitor);
    this.calls = new Calls(link, replica.names, this.#timers, this.capabilities.maxBodyBytes);
  }

  /** Connects, makes the stream where it is not there, and reads what is in it. */
  static async open(settings: Settings): Promise<NatsDriver> {
    const link = await Link.open(settings);
    try {
      const manager = await toManager(link.connection);
      checkServer(link.connection, settings);
      const names = namesOf(settings.ns);
      const facts = await ensureStream(manager, names, settings);
      checkDurability(facts, settings);
      const replica = new Replica(link, manager, names, settings, facts);
      const backend = new NatsDriver(link, replica, settings, facts);
      await replica.open();
      return backend;
    } catch (error) {
      await link.close();
      throw toNatsError(error);
    }
  }

  onState(listener: (change: StateChange) => void): void {
    this.#link.onState(listener);
  }

  async close(): Promise<void> {
    this.calls.close();
    this.#timers.close();
    await this.#janitor.close();
    this.#replica.close();
    await this.#link.close();
  }
}

async function toManager(connection: NatsConnection): Promise<JetStreamManager> {
  const manager = await jetstreamManager(connection, { checkAPI: false, timeout: 5_000 });
  if ((connection.info as { jetstream?: boolean } | undefined)?.jetstream !== true) {
    // A server without it may be a leaf of one that has it.
    await manager.getAccountInfo().catch((error: unknown) => {
      const known = toNatsError(error);
      throw known.code === 'PERMISSION_DENIED' ? known : noJetStream();
    });
  }
  return manager;
}

function checkServer({ info }: NatsConnection, _settings: Settings): void {
  const { version = '0', max_payload = 0 } = info ?? {};
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < 2 || (major === 2 && minor < 9)) {
    throw new BusbarError('UNSUPPORTED', `the server is nats-server ${version}, which is too old`, {
      hint: 'Busbar needs 2.9 or newer.',
    });
  }
  if (max_payload - RECORD_OVERHEAD < MIN_BODY) {
    throw new BusbarError('UNSUPPORTED', `the server takes no more than ${max_payload} bytes in a message`, {
      hint: `Set max_payload to ${MIN_BODY + RECORD_OVERHEAD} or more; its default is 1MB.`,
    });
  }
}

function maxPayloadOf({ info }: NatsConnection): number {
  return info?.max_payload ?? 0;
}

/** What the server syncs, and when, no client can read. */
function checkDurability({ storage }: StreamFacts, { durability }: Settings): void {
  if (durability === 'power') {
    throw new BusbarError('UNSUPPORTED', 'NATS does not show whether it syncs before it answers', {
      hint: 'By default it syncs every two minutes. Leave durability out, or use a backend that can show it.',
    });
  }
  if (durability === 'process' && storage === 'memory') {
    throw new BusbarError('UNSUPPORTED', 'a stream in memory does not survive its server', {
      hint: 'Use storage=file, or leave durability out.',
    });
  }
}
