/** The topics of a hub's store. */

import type { CallContext, EventCursor, TopicDriver } from '@busbar/api/driver';
import type { From, PublishResult, TopicEvent } from '@busbar/api/transport';
import { decodeMessage, type Header } from '@busbar/wire';
import type { HubClient, StoreLoss } from './hub-client.ts';
import { MessageSender } from './message-sender.ts';
import { RemoteCursor } from './remote-cursor.ts';

/** The topics of a hub's store. `agent` is the only agent that the client acts for. */
export function remoteTopics(client: HubClient, agent: string | undefined): TopicDriver {
  const sender = new MessageSender<PublishResult>(client, agent, (topic, ephemeral) => ({
    op: 'topics.publish',
    header: ephemeral ? { topic, ephemeral } : { topic },
    whenLost: ephemeral ? 'unknown' : 'repeat',
  }));
  return {
    publish: (topic, messages, ephemeral, { deadline }) => sender.send(topic, ephemeral, messages, deadline),
    open: (pattern, from, context) => RemoteEventCursor.open(client, pattern, from, context),
    async bind(queue, pattern, from, context) {
      await client.repeat('topics.bind', { queue, pattern, from }, context);
    },
    async unbind(queue, pattern, context) {
      await client.repeat('topics.unbind', { queue, pattern }, context);
    },
  };
}

/** A cursor over events. After a lost connection it continues behind the last event. */
class RemoteEventCursor implements EventCursor {
  readonly #cursor: RemoteCursor;
  /** Behind the last event that was returned. */
  #returned: string | undefined;
  /** Behind the last event that was handled. */
  #position: string | undefined;
  #droppedBefore = 0;
  #dropped = 0;
  readonly #client: HubClient;
  /** Where to begin without a position. */
  #from: From;
  /** The last reset of the store before the position. */
  #reset: StoreLoss | undefined;

  private constructor(client: HubClient, pattern: string, from: From) {
    this.#client = client;
    this.#from = from;
    this.#reset = client.lastReset;
    this.#cursor = new RemoteCursor(client, {
      op: 'topics.subscribe',
      header: () => ({ pattern, from: this.#next() }),
      onOpened: ({ header }) => {
        this.#droppedBefore += this.#dropped;
        this.#dropped = 0;
        this.#returned ??= header['position'] as string | undefined;
        this.#position ??= this.#returned;
      },
      onMoved: ({ header }) => {
        this.#move(header['position'] as string);
        this.#position = this.#returned;
      },
    });
  }

  static async open(client: HubClient, pattern: string, from: From, context: CallContext): Promise<EventCursor> {
    const events = new RemoteEventCursor(client, pattern, from);
    await events.#cursor.open(context);
    return events;
  }

  get dropped(): number {
    return this.#droppedBefore + this.#dropped;
  }

  get position(): string | undefined {
    return this.#position;
  }

  async next(max: number): Promise<readonly TopicEvent[]> {
    this.#position = this.#returned;
    const response = await this.#cursor.next(max);
    if (response === undefined) return [];
    const { header, bodies } = response;
    const events = (header['events'] as readonly Header[]).map((each, index) => decodeEvent(each, bodies[index]));
    this.#dropped = (header['dropped'] as number | undefined) ?? 0;
    const last = events.findLast(({ position }) => position !== undefined)?.position;
    if (last !== undefined) this.#move(last);
    return events;
  }

  #move(position: string): void {
    this.#reset = this.#client.lastReset;
    this.#returned = position;
  }

  /** Where the next connection begins. A position of the store's earlier past means nothing in the present one. */
  #next(): From {
    const reset = this.#client.lastReset;
    if (reset !== undefined && reset.cause !== 'damaged' && reset !== this.#reset) {
      this.#from = reset.cause === 'replaced' ? 'start' : { time: reset.since };
      this.#reset = reset;
      this.#returned = undefined;
      this.#position = undefined;
    }
    return this.#returned === undefined ? this.#from : { after: this.#returned };
  }

  close(): Promise<void> {
    this.#cursor.close();
    return Promise.resolve();
  }
}

function decodeEvent(header: Header, body: Uint8Array | undefined): TopicEvent {
  const { topic, position } = header as { topic: string; position?: string };
  return { ...decodeMessage(header, body), topic, position };
}
