/** One connection to a hub, from hello to its end. */

import { cutText, decodeError } from '@busbar/api/driver';
import { BusbarError, type Capabilities } from '@busbar/api/transport';
import {
  type ConnectionEvents,
  connectionLost,
  FRAME,
  type Frame,
  frame,
  HELLO_TIMEOUT_MS,
  Heartbeat,
  type LinkConnection,
} from '@busbar/wire';
import type { ClientLink } from '../links/link.ts';
import { withTimeoutSignal } from '../links/timeout-signal.ts';
import { type Hello, PROTOCOL_VERSION, type Welcome } from '../wire/protocol.ts';
import { decodeCapabilities } from '../wire/value-codec.ts';
import { HubClock } from './hub-clock.ts';

/** What a client says about itself in hello, besides its token. */
export type ClientInfo = Omit<Hello, 'token' | 'version'>;

/** Events after the welcome. */
export interface HubConnectionEvents {
  onFrame(frame: Frame): void;
  onEnd(connection: HubConnection, error: BusbarError): void;
}

export class HubConnection implements ConnectionEvents {
  readonly clock: HubClock = new HubClock();
  readonly #events: HubConnectionEvents;
  readonly #firstFrame = Promise.withResolvers<Frame>();
  readonly #ended = Promise.withResolvers<void>();
  #connection: LinkConnection | undefined;
  #heartbeat: Heartbeat | undefined;
  #welcome: Welcome | undefined;
  #goaway: BusbarError | undefined;

  private constructor(events: HubConnectionEvents) {
    this.#events = events;
    this.#firstFrame.promise.catch(() => undefined);
  }

  /** Connects and says hello. Rejects with the hub's refusal, or UNAVAILABLE if it does not respond. */
  static async open(
    link: ClientLink,
    info: ClientInfo,
    events: HubConnectionEvents,
    signal: AbortSignal,
  ): Promise<HubConnection> {
    const hub = new HubConnection(events);
    await withTimeoutSignal(HELLO_TIMEOUT_MS, signal, (bounded) => hub.#open(link, info, bounded));
    return hub;
  }

  get welcome(): Welcome {
    if (this.#welcome === undefined) throw new TypeError('the hub has not said welcome');
    return this.#welcome;
  }

  onFrames(frames: readonly Frame[]): void {
    this.#heartbeat?.received();
    for (const each of frames) this.#receive(each);
  }

  onClose(error: BusbarError | undefined): void {
    this.#heartbeat?.stop();
    const reason = this.#goaway ?? error ?? connectionLost('the hub closed the connection');
    this.#firstFrame.reject(reason);
    this.#ended.resolve();
    if (this.#welcome !== undefined) this.#events.onEnd(this, reason);
  }

  /** Sends a frame. Does nothing after the end. */
  readonly send = (each: Frame): void => this.#connection?.send(each);

  /** Sends the frames of this turn now. */
  flush(): void {
    this.#connection?.flush();
  }

  /** Says goodbye. Resolves when the connection is closed. */
  async close(): Promise<void> {
    this.#heartbeat?.stop();
    this.send(frame(FRAME.goaway, 0, { reason: 'the client closes' }));
    this.#connection?.close();
    await this.#ended.promise;
  }

  async #open(link: ClientLink, info: ClientInfo, signal: AbortSignal): Promise<void> {
    const onAbort = (): void => this.#firstFrame.reject(connectionLost('the hub did not respond in time'));
    signal.addEventListener('abort', onAbort, { once: true });
    const connection = await link.connect(this, signal);
    this.#connection = connection;
    this.#heartbeat = new Heartbeat(info.heartbeatMs, connection);
    try {
      const token = await link.token();
      const sentAt = performance.now();
      connection.send(frame(FRAME.hello, 0, { version: PROTOCOL_VERSION, token, ...info }));
      this.#welcome = decodeWelcome(await this.#firstFrame.promise);
      this.clock.sample(sentAt, this.#welcome.now);
    } catch (error) {
      this.#heartbeat.stop();
      connection.destroy();
      throw error;
    }
  }

  #receive(each: Frame): void {
    if (each.type === FRAME.ping) this.send(frame(FRAME.pong));
    else if (each.type === FRAME.goaway) this.#goaway = toGoawayError(each);
    else if (each.type === FRAME.pong) this.clock.sample(this.#heartbeat?.pingedAt ?? 0, each.header['now']);
    else if (this.#welcome === undefined) this.#firstFrame.resolve(each);
    else this.#events.onFrame(each);
  }
}

function decodeWelcome({ type, header }: Frame): Welcome {
  if (type === FRAME.error) throw decodeError(header);
  const { version } = header;
  if (type !== FRAME.welcome || version !== PROTOCOL_VERSION || typeof header['capabilities'] !== 'object') {
    throw new BusbarError('UNSUPPORTED', 'the peer is not a hub of this protocol version', {
      hint: `It speaks version ${String(version)} of the protocol, this is ${PROTOCOL_VERSION}: update the older side.`,
    });
  }
  const welcome = header as unknown as Welcome;
  return { ...welcome, capabilities: decodeCapabilities(welcome.capabilities as Capabilities) };
}

function toGoawayError({ header: { reason } }: Frame): BusbarError {
  return connectionLost(
    `the hub ended the connection: ${typeof reason === 'string' ? cutText(reason) : 'it gave no reason'}`,
  );
}
