/** The topics of a hub's store, and the cursors over them. */

import type { CallContext, EventCursor, PreparedMessage, TopicDriver } from '@busbar/api/driver';
import type { From, PublishResult, TopicEvent } from '@busbar/api/transport';
import type { Head } from '../wire/frame.ts';
import { readMessage } from '../wire/message-codec.ts';
import { sizeOfMessage } from '../wire/message-size.ts';
import { Joiner } from './call-coalescer.ts';
import type { HubLine } from './hub-client.ts';
import { RemoteCursor } from './remote-cursor.ts';
import { joinKey, sendAll } from './remote-queues.ts';

/** The topics of a hub's store. */
export function remoteTopics(line: HubLine, agent: string | undefined): TopicDriver {
  const publishes = new Joiner<PreparedMessage, PublishResult>(line, sizeOfMessage);
  return {
    publish: (topic, messages, ephemeral, { deadline }) =>
      publishes.ask(joinKey(`${topic} ${ephemeral}`, messages, agent), messages, deadline, (all, last) =>
        sendAll<PublishResult>(
          line,
          all,
          last,
          (heads) => ({
            op: 'topics.publish',
            head: ephemeral ? { topic, ephemeral, messages: heads } : { topic, messages: heads },
          }),
          ephemeral ? 'unknown' : 'repeat',
        ),
      ),
    open: (pattern, from, context) => RemoteEvents.open(line, pattern, from, context),
    async bind(queue, pattern, from, { deadline }) {
      await line.request({ op: 'topics.bind', head: { queue, pattern, from }, deadline, whenLost: 'repeat' });
    },
    async unbind(queue, pattern, { deadline }) {
      await line.request({ op: 'topics.unbind', head: { queue, pattern }, deadline, whenLost: 'repeat' });
    },
  };
}

/** A cursor over events: after a lost connection it goes on behind what was given. */
class RemoteEvents implements EventCursor {
  readonly #cursor: RemoteCursor;
  /** Behind what was given last. */
  #given: string | undefined;
  /** The same, or as far as was handled: what is told to the user. */
  #position: string | undefined;
  #droppedBefore = 0;
  #dropped = 0;

  private constructor(line: HubLine, pattern: string, from: From) {
    this.#cursor = new RemoteCursor(line, {
      op: 'topics.subscribe',
      head: () => ({ pattern, from: this.#given === undefined ? from : { after: this.#given } }),
      opened: ({ head }) => {
        this.#droppedBefore += this.#dropped;
        this.#dropped = 0;
        this.#given ??= head['position'] as string | undefined;
        this.#position ??= this.#given;
      },
      moved: ({ head }) => {
        this.#given = head['position'] as string;
        this.#position = this.#given;
      },
    });
  }

  static async open(line: HubLine, pattern: string, from: From, context: CallContext): Promise<RemoteEvents> {
    const events = new RemoteEvents(line, pattern, from);
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
    this.#position = this.#given;
    const answer = await this.#cursor.next(max);
    if (answer === undefined) return [];
    const { head, bodies } = answer;
    const events = (head['events'] as readonly Head[]).map((each, index) => toEvent(each, bodies[index]));
    this.#dropped = (head['dropped'] as number | undefined) ?? 0;
    this.#given = events.findLast(({ position }) => position !== undefined)?.position ?? this.#given;
    return events;
  }

  close(): Promise<void> {
    this.#cursor.close();
    return Promise.resolve();
  }
}

function toEvent(head: Head, body: Uint8Array | undefined): TopicEvent {
  const { topic, position } = head as { topic: string; position?: string };
  return { ...readMessage(head, body), topic, position };
}
