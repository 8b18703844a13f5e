/** One client of a hub, from hello to the end of its connection. */

import { ChurnMap, Condition, encodeError } from '@busbar/api/driver';
import {
  BusbarError,
  type StorePast,
  type StoreReset,
  type Transport,
  toBusbarError,
  type WorkFailure,
} from '@busbar/api/transport';
import {
  type ConnectionEvents,
  FRAME,
  type Frame,
  frame,
  goaway,
  HELLO_TIMEOUT_MS,
  type Header,
  Heartbeat,
  type LinkConnection,
  MAX_BUFFERED_BYTES,
  protocolError,
} from '@busbar/wire';
import type { ConnectionAcceptor, PeerInfo } from '../links/link.ts';
import { MAX_BODY_BYTES, type Welcome } from '../wire/protocol.ts';
import type { AccessTokens } from './access-tokens.ts';
import { AnswerGate, takesNothing } from './answer-gate.ts';
import { Backpressure } from './backpressure.ts';
import type { CallRouter } from './calls/call-router.ts';
import { ClientServices } from './calls/client-services.ts';
import { CancellationToken } from './cancellation-token.ts';
import { decodeHello, encodeWelcome } from './hello.ts';
import { ClientCursors, type HubResponse } from './operations/cursors.ts';
import type { AgentLimit, ClientSession, HubControl, HubRequest } from './operations/operation.ts';
import { runOperation } from './operations/operation-table.ts';
import type { QueueSizes } from './operations/queue-sizes.ts';
import type { ReplyQueues } from './rights/reply-queues.ts';
import { SignedReceipts } from './rights/signed-receipts.ts';
import type { StorePool, StoreRef } from './store-pool.ts';

/** What the sessions of one hub share. */
export interface SharedHub extends Pick<ConnectionAcceptor, 'refused'> {
  /** An id that a hub gets at each start. */
  readonly id: string;
  readonly stores: StorePool;
  readonly tokens: AccessTokens;
  /** Signs the receipts of agents. */
  readonly secret: Buffer;
  readonly control: HubControl;
  onSessionEnd(session: HubSession): void;
}

/** One request in progress. */
interface InflightRequest {
  readonly bytes: number;
  readonly cancellation: CancellationToken;
}

/** Limit of one client's requests in progress. 10,000 waiting inboxes are normal. */
const MAX_INFLIGHT = 100_000;
/** How long an ending hub waits for requests in progress. */
const GOODBYE_TIMEOUT_MS = 1_000;
/** Estimated size of the state of a request, besides its frame. */
const REQUEST_BYTES = 256;

export class HubSession implements ConnectionEvents, ClientSession {
  readonly cursors: ClientCursors = new ClientCursors();
  readonly services: ClientServices = new ClientServices();
  readonly #hub: SharedHub;
  readonly #connection: LinkConnection;
  readonly #peer: PeerInfo;
  readonly #backpressure: Backpressure;
  readonly answers: AnswerGate;
  readonly #inflight = new ChurnMap<number, InflightRequest>();
  readonly #idle = new Condition();
  readonly #helloTimer: NodeJS.Timeout;
  #store: StoreRef | undefined;
  #heartbeat: Heartbeat | undefined;
  #hasHello = false;
  #endReports: () => void = () => undefined;
  /** The past of the store that the client knows. */
  #sentPast: StorePast | undefined;
  agent: string | undefined;
  limit: AgentLimit | undefined;
  #isGone = false;
  /** The reason with which an ending hub cancels waits. The client asks the next hub again. */
  #leaving: BusbarError | undefined;

  constructor(hub: SharedHub, connection: LinkConnection, peer: PeerInfo) {
    this.#hub = hub;
    this.#connection = connection;
    this.#peer = peer;
    this.answers = new AnswerGate(connection, (error) => this.#refuse(error));
    this.#backpressure = new Backpressure(connection, (reason) => {
      hub.refused(reason, peer.address);
      connection.destroy();
    });
    const noHello = protocolError(`no hello within ${HELLO_TIMEOUT_MS} ms`);
    this.#helloTimer = setTimeout(() => this.#refuse(noHello), HELLO_TIMEOUT_MS);
  }

  get store(): Transport {
    return this.#storeRef().transport;
  }

  get router(): CallRouter {
    return this.#storeRef().router;
  }

  get sizes(): QueueSizes {
    return this.#storeRef().sizes;
  }

  get replyQueues(): ReplyQueues {
    return this.#storeRef().replyQueues;
  }

  get hub(): HubControl {
    return this.#hub.control;
  }

  get maxBodyBytes(): number {
    return Math.min(MAX_BODY_BYTES, this.store.capabilities.maxBodyBytes);
  }

  onFrames(frames: readonly Frame[]): void {
    this.#heartbeat?.received();
    try {
      for (const each of frames) this.#receive(each);
    } catch (error) {
      this.#refuse(toBusbarError(error));
    }
  }

  onDrain(): void {
    this.#backpressure.update();
    this.answers.update();
  }

  onClose(error: BusbarError | undefined): void {
    if (this.#isGone) return;
    this.#isGone = true;
    clearTimeout(this.#helloTimer);
    this.#backpressure.end();
    this.#heartbeat?.stop();
    if (error?.code === 'INVALID_ARGUMENT') this.#hub.refused(error.message, this.#peer.address);
    this.#cancelAll(new BusbarError('ABORTED', 'the client has disconnected'));
    this.cursors.closeAll();
    this.services.close();
    this.#endReports();
    this.#store?.release();
    this.#hub.onSessionEnd(this);
  }

  send(type: keyof typeof FRAME, id: number, header?: Header, bodies?: readonly Uint8Array[]): boolean {
    if (this.#isGone) return false;
    const { buffered } = this.#connection;
    if (buffered > MAX_BUFFERED_BYTES) {
      this.#refuse(takesNothing(buffered));
      return false;
    }
    this.#connection.send(frame(FRAME[type], id, header, bodies));
    this.#backpressure.update();
    return true;
  }

  /** Reports the positions of waiting subscriptions that skipped events which do not match. */
  sendPositions(): void {
    for (const [id, position] of this.cursors.takeMoved()) this.send('item', id, { position });
  }

  /** Sends the counter of the store when it has risen: after the next connection it shows whether the store lost writes. */
  sendPast(): void {
    const past = this.#takeRisen();
    if (past !== undefined) this.send('item', 0, { past });
  }

  /** Ends the connection in order: responds to requests in progress and leaves waits to the next hub. */
  async goodbye(reason: string): Promise<void> {
    this.#leaving = cancelled();
    this.#backpressure.stopReading();
    this.#cancelAll(this.#leaving);
    if (this.#inflight.size > 0) await this.#idle.waitFor(GOODBYE_TIMEOUT_MS);
    this.#connection.send(frame(FRAME.goaway, 0, { reason }));
    this.#connection.close();
  }

  /** What the client learns from a response is not newer than the counter that it knows. */
  #withCounter(header: Header | undefined): Header | undefined {
    const past = this.#takeRisen();
    if (past === undefined) return header;
    // Each response has a header of its own.
    return Object.assign(header ?? {}, { counter: past.counter });
  }

  /** The past of the store, if its counter has risen since the client heard of it. */
  #takeRisen(): StorePast | undefined {
    const past = this.#store?.transport.past;
    const known = this.#sentPast;
    if (past === undefined || known === undefined || past.counter <= known.counter) return undefined;
    // After a reset the client gets the whole past.
    if (past.incarnation !== known.incarnation) return undefined;
    this.#sentPast = past;
    return past;
  }

  #onReset(reset: StoreReset): void {
    this.#sentPast = this.store.past;
    this.send('item', 0, { reset, past: this.#sentPast });
  }

  /** An agent with limited rights does not learn of the store. */
  #onFailure({ work, error }: WorkFailure): void {
    if (this.limit === undefined) this.send('item', 0, { failure: { work, error: encodeError(error) } });
  }

  #cancelAll(reason: BusbarError): void {
    for (const { cancellation } of this.#inflight.values()) cancellation.cancel(reason);
    this.answers.cancel(reason);
  }

  #storeRef(): StoreRef {
    if (this.#store === undefined) throw protocolError('a request before the welcome');
    return this.#store;
  }

  #receive(each: Frame): void {
    if (each.type === FRAME.hello) void this.#onHello(each.header);
    else if (each.type === FRAME.ping)
      this.#connection.send(frame(FRAME.pong, 0, { now: Math.round(performance.now()) }));
    else if (each.type === FRAME.goaway) this.#connection.close();
    else if (each.type === FRAME.pong) return;
    else if (this.#store === undefined) throw protocolError('a frame before the welcome');
    else if (each.type === FRAME.request) this.#onRequest(each);
    else if (each.type === FRAME.cancel) this.#inflight.get(each.id)?.cancellation.cancel(cancelled());
    else if (each.type === FRAME.credit) this.router.addCredit(this, each);
    else if (each.type === FRAME.item || each.type === FRAME.response || each.type === FRAME.error)
      this.services.onFrame(each);
    else throw protocolError(`a client does not send frames of type ${each.type}`);
  }

  async #onHello(header: Header): Promise<void> {
    if (this.#hasHello) return this.#refuse(protocolError('a second hello'));
    this.#hasHello = true;
    try {
      const { ns, agent, token, heartbeatMs } = decodeHello(header);
      const allowed = this.#hub.tokens.authorize(this.#peer.token ?? token, agent, this.#peer.expects);
      this.agent = allowed.agent;
      if (allowed.isLimited && allowed.agent !== undefined) {
        this.limit = { agent: allowed.agent, receipts: new SignedReceipts(this.#hub.secret, allowed.agent) };
      }
      const store = await this.#hub.stores.acquire(ns);
      if (this.#isGone) return store.release();
      this.#store = store;
      const ends = [
        store.transport.onReset((reset) => this.#onReset(reset)),
        store.transport.onFailure((failure) => this.#onFailure(failure)),
      ];
      this.#endReports = () => ends.map((end) => end());
      this.#sentPast = store.transport.past;
      clearTimeout(this.#helloTimer);
      const welcome: Welcome = {
        ...encodeWelcome(this.store, this.maxBodyBytes),
        hub: this.#hub.id,
        direct: !this.#hub.tokens.hasAgents,
      };
      this.#connection.send(frame(FRAME.welcome, 0, { ...welcome }));
      this.#heartbeat = new Heartbeat(heartbeatMs, this.#connection, {
        onSilent: () => this.#hub.refused('it went silent', this.#peer.address),
      });
    } catch (error) {
      const failure = toBusbarError(error);
      this.#connection.send(frame(FRAME.error, 0, encodeError(failure)));
      this.#refuse(failure);
    }
  }

  #onRequest({ id, header, bodies, bytes = 0 }: Frame): void {
    if (this.#inflight.has(id)) throw protocolError(`two requests under the id ${id}`);
    if (this.#inflight.size >= MAX_INFLIGHT) {
      this.#sendError(id, tooManyRequests());
      return;
    }
    const cancellation = new CancellationToken();
    const inflight = { bytes: bytes + REQUEST_BYTES, cancellation };
    this.#inflight.set(id, inflight);
    this.#backpressure.addInflight(inflight.bytes);
    this.#run({ id, header, bodies, cancellation, client: this }).then(
      (response) => {
        if (!this.send('response', id, this.#withCounter(response.header), response.bodies)) response.undo?.();
        this.#finish(id, inflight);
      },
      (error: unknown) => {
        const isLeftToNextHub = this.#leaving !== undefined && (cancellation.isObserved || error === this.#leaving);
        if (!isLeftToNextHub) this.#sendError(id, toBusbarError(error));
        this.#finish(id, inflight);
      },
    );
  }

  async #run(request: HubRequest): Promise<HubResponse> {
    return runOperation(request);
  }

  #finish(id: number, { bytes }: InflightRequest): void {
    this.#inflight.delete(id);
    this.#backpressure.addInflight(-bytes);
    if (this.#inflight.size === 0) this.#idle.notify();
  }

  #sendError(id: number, error: BusbarError): void {
    this.send('error', id, encodeError(error));
  }

  #refuse(error: BusbarError): void {
    if (this.#isGone) return;
    this.#hub.refused(error.message, this.#peer.address);
    this.#connection.send(goaway(error));
    this.#connection.close();
  }
}

function cancelled(): BusbarError {
  return new BusbarError('ABORTED', 'the client no longer waits');
}

function tooManyRequests(): BusbarError {
  return new BusbarError('BACKPRESSURE', `this client has ${MAX_INFLIGHT} requests in progress`, {
    hint: 'Await some of them first.',
  });
}
