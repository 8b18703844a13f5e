/** The backend of a client: every facet asks the hub. */

import type { AdminDriver, Driver, KvDriver, QueueDriver, TopicDriver } from '@busbar/api/driver';
import type { Capabilities, StateChange } from '@busbar/api/transport';
import { HubLine, type LineOptions } from './client/hub-client.ts';
import { remoteAdmin } from './client/remote-admin.ts';
import { RemoteCalls } from './client/remote-calls.ts';
import { remoteEntries } from './client/remote-kv.ts';
import { remoteQueues } from './client/remote-queues.ts';
import { remoteTopics } from './client/remote-topics.ts';

/** The backend of a client. */
export class SocketDriver implements Driver {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly queues: QueueDriver;
  readonly topics: TopicDriver;
  readonly kv: KvDriver;
  readonly admin: AdminDriver;
  readonly calls: RemoteCalls;
  readonly #line: HubLine;

  private constructor(
    { link: { name, reach }, introduction: { agent } }: LineOptions,
    line: HubLine,
    calls: RemoteCalls,
  ) {
    this.name = name;
    this.capabilities = { ...line.welcome.capabilities, reach };
    this.queues = remoteQueues(line, agent);
    this.topics = remoteTopics(line, agent);
    this.kv = remoteEntries(line);
    this.admin = remoteAdmin(line);
    this.calls = calls;
    this.#line = line;
  }

  /** Reaches the hub; rejects with what stands in the way. */
  static async open(options: LineOptions): Promise<SocketDriver> {
    const calls = new RemoteCalls(() => line);
    const line = new HubLine(options, {
      onResumed: () => calls.resumed(),
      onCall: (each) => calls.heard(each),
      onLost: () => calls.lost(),
    });
    try {
      await line.open();
      return new SocketDriver(options, line, calls);
    } catch (error) {
      await line.close();
      throw error;
    }
  }

  onState(listener: (change: StateChange) => void): void {
    this.#line.onState(listener);
  }

  close(): Promise<void> {
    return this.#line.close();
  }
}
