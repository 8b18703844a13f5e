/** One conversation with a hub, from hello to the end of its connection. */

import { BusbarError, type Capabilities } from '@busbar/api/transport';
import { Heartbeat } from '../links/heartbeat.ts';
import type { ClientLink, Connection } from '../links/link.ts';
import { TimeBound } from '../links/timeout-signal.ts';
import { lost } from '../links/unix/unix-connection.ts';
import { readError } from '../wire/error-codec.ts';
import { FRAME, type Frame, frame } from '../wire/frame.ts';
import { HELLO_MS, type Hello, PROTOCOL_VERSION, type Welcome } from '../wire/protocol.ts';
import { readCapabilities } from '../wire/value-codec.ts';

/** What a client says of itself, beside its token. */
export type Introduction = Omit<Hello, 'token' | 'version'>;

/** Who hears of a conversation. */
export interface ConversationEvents {
  onFrame(frame: Frame): void;
  /** It is over. */
  onEnd(conversation: Conversation, error: BusbarError): void;
}

/** One conversation with a hub. */
export class Conversation {
  readonly connection: Connection;
  readonly welcome: Welcome;
  readonly #heartbeat: Heartbeat;
  readonly #ended: Promise<void>;

  private constructor(connection: Connection, welcome: Welcome, heartbeat: Heartbeat, ended: Promise<void>) {
    this.connection = connection;
    this.welcome = welcome;
    this.#heartbeat = heartbeat;
    this.#ended = ended;
  }

  /** Connects and says hello. Rejects with the hub's refusal, or UNAVAILABLE where it does not answer. */
  static async begin(
    link: ClientLink,
    introduction: Introduction,
    events: ConversationEvents,
    signal: AbortSignal,
  ): Promise<Conversation> {
    using bound = new TimeBound(HELLO_MS, signal);
    const welcomed = Promise.withResolvers<Frame>();
    const ended = Promise.withResolvers<void>();
    welcomed.promise.catch(() => undefined);
    const giveUp = (): void => welcomed.reject(lost('the hub did not answer in time'));
    bound.signal.addEventListener('abort', giveUp, { once: true });
    let conversation: Conversation | undefined;
    let goodbye: BusbarError | undefined;
    const heard = (each: Frame): void => {
      heartbeat?.heard();
      if (each.type === FRAME.ping) connection?.send(frame(FRAME.pong));
      else if (each.type === FRAME.goaway) goodbye = toGoodbye(each);
      else if (each.type === FRAME.pong) return;
      else if (conversation === undefined) welcomed.resolve(each);
      else events.onFrame(each);
    };
    let heartbeat: Heartbeat | undefined;
    let connection: Connection | undefined;
    connection = await link.connect(
      {
        onFrames: (frames) => frames.forEach(heard),
        onClose: (error) => {
          heartbeat?.stop();
          const reason = goodbye ?? error ?? lost('the hub closed the connection');
          welcomed.reject(reason);
          ended.resolve();
          if (conversation !== undefined) events.onEnd(conversation, reason);
        },
      },
      bound.signal,
    );
    try {
      heartbeat = new Heartbeat(introduction.heartbeatMs, connection);
      connection.send(frame(FRAME.hello, 0, await toHello(link, introduction)));
      const welcome = readWelcome(await welcomed.promise);
      conversation = new Conversation(connection, welcome, heartbeat, ended.promise);
      return conversation;
    } catch (error) {
      heartbeat?.stop();
      connection.destroy();
      throw error;
    }
  }

  send(each: Frame): void {
    this.connection.send(each);
  }

  /** Says goodbye; resolves when the connection is over. */
  async close(): Promise<void> {
    this.#heartbeat.stop();
    this.connection.send(frame(FRAME.goaway, 0, { reason: 'the client closes' }));
    this.connection.close();
    await this.#ended;
  }
}

async function toHello(link: ClientLink, introduction: Introduction): Promise<Record<string, unknown>> {
  const token = await link.token();
  return { version: PROTOCOL_VERSION, ...(token === undefined ? {} : { token }), ...introduction };
}

function readWelcome({ type, head }: Frame): Welcome {
  if (type === FRAME.error) throw readError(head);
  const { version } = head;
  if (type !== FRAME.welcome || version !== PROTOCOL_VERSION || typeof head['capabilities'] !== 'object') {
    throw new BusbarError('UNSUPPORTED', 'what answers there is no hub that this version can talk to', {
      hint: `It speaks version ${String(version)} of the protocol, this is ${PROTOCOL_VERSION}: update the older of the two.`,
    });
  }
  const welcome = head as unknown as Welcome;
  return { ...welcome, capabilities: readCapabilities(welcome.capabilities as Capabilities) };
}

function toGoodbye({ head }: Frame): BusbarError {
  const { reason } = head;
  return lost(`the hub ended the connection: ${typeof reason === 'string' ? reason : 'it did not say why'}`);
}
