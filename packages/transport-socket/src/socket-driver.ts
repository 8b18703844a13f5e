/** The driver of a client: the hub carries out every operation. */

import {
  type AdminDriver,
  type CallDriver,
  type Driver,
  type KvDriver,
  type QueueDriver,
  type TopicDriver,
  WorkFailures,
} from '@busbar/api/driver';
import type { Capabilities, StateChange, StorePast, StoreReset, WorkFailure } from '@busbar/api/transport';
import { DirectCalls, SocketFolder } from '@busbar/wire';
import { HubClient, type HubClientOptions } from './client/hub-client.ts';
import { remoteAdmin } from './client/remote-admin.ts';
import { remoteCalls } from './client/remote-calls.ts';
import { remoteKv } from './client/remote-kv.ts';
import { remoteQueues } from './client/remote-queues.ts';
import { remoteTopics } from './client/remote-topics.ts';
import { ServiceRegistry } from './client/service-registry.ts';
import type { ClientLink } from './links/link.ts';

export class SocketDriver implements Driver {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly queues: QueueDriver;
  readonly topics: TopicDriver;
  readonly kv: KvDriver;
  readonly admin: AdminDriver;
  readonly calls: CallDriver;
  readonly #client: HubClient;
  readonly #direct: DirectCalls | undefined;
  /** Of the work of this client. The loss of the hub is a change of state. */
  readonly #failures = new WorkFailures(['UNAVAILABLE', 'TIMEOUT']);

  private constructor({ link, info: { agent } }: HubClientOptions, client: HubClient, services: ServiceRegistry) {
    this.name = link.name;
    this.capabilities = capabilitiesOver(link, client.welcome.capabilities);
    this.queues = remoteQueues(client, agent);
    this.topics = remoteTopics(client, agent);
    this.kv = remoteKv(client);
    this.admin = remoteAdmin(client);
    // Others may open the store of the hub itself. A client that is limited to an agent has no queue of requests.
    const isFree = agent === undefined && client.isDirectAllowed;
    const calls = remoteCalls(client, services, isFree ? 'transport' : undefined);
    const folder = link.socket === undefined ? undefined : new SocketFolder(link.socket);
    // The hub checks what a client sends as an agent.
    if (folder !== undefined && folder.problem === undefined && isFree) {
      const { maxBodyBytes } = this.capabilities;
      const isAllowed = (): boolean => client.isDirectAllowed;
      this.#direct = new DirectCalls({
        ...{ folder, kv: this.kv, maxBodyBytes, beside: calls, isAllowed },
        failures: this.#failures,
      });
      client.onReset(() => this.#direct?.restore());
    }
    this.calls = this.#direct ?? calls;
    this.#client = client;
  }

  /** Connects to the hub. */
  static async open(options: HubClientOptions): Promise<SocketDriver> {
    const services = new ServiceRegistry();
    const client = new HubClient(options, services);
    try {
      await client.open();
      return new SocketDriver(options, client, services);
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  onState(listener: (change: StateChange) => void): void {
    this.#client.onState(listener);
  }

  onReset(listener: (reset: StoreReset) => void): void {
    this.#client.onReset(listener);
  }

  onFailure(listener: (failure: WorkFailure) => void): void {
    this.#failures.listen(listener);
    this.#client.failures.listen(listener);
  }

  get past(): StorePast | undefined {
    return this.#client.past;
  }

  async close(): Promise<void> {
    await this.#direct?.close();
    await this.#client.close();
  }
}

/** What the link decides, over what the hub and its store can do. */
function capabilitiesOver({ reach, keepsAlive }: ClientLink, hub: Capabilities): Capabilities {
  const { idleExit: _, ...reasons } = hub.reasons;
  return {
    ...hub,
    reach,
    features: { ...hub.features, idleExit: keepsAlive === undefined },
    reasons: keepsAlive === undefined ? reasons : { ...reasons, idleExit: keepsAlive },
  };
}
