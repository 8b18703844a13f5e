/** One client at the hub, from its hello to the end of its connection. */

import { BusbarError, type Transport, toBusbarError } from '@busbar/api/transport';
import { Heartbeat } from '../links/heartbeat.ts';
import type { Connection, ConnectionEvents, PeerInfo } from '../links/link.ts';
import { toErrorHead } from '../wire/error-codec.ts';
import { bad, FRAME, type Frame, frame, type Head } from '../wire/frame.ts';
import { HELLO_MS, MAX_BODY_BYTES, MAX_BUFFERED_BYTES } from '../wire/protocol.ts';
import type { Tokens } from './access-tokens.ts';
import { Throttle } from './backpressure.ts';
import type { CallRouter } from './calls/call-router.ts';
import { ServedCalls } from './calls/inflight-served.ts';
import { Cancellation } from './cancellation-token.ts';
import { readHello, toWelcome } from './hello.ts';
import { Cursors } from './operations/cursors.ts';
import type { Client, HubControl, Reply, Request } from './operations/operation.ts';
import { findOperation } from './operations/operation-table.ts';
import type { QueueSizes } from './operations/queue-sizes.ts';
import type { LentStore, Stores } from './store-pool.ts';

/** What the sessions of one hub share. */
export interface HubShared {
  /** Differs from one life of a hub to the next. */
  readonly id: string;
  readonly stores: Stores;
  readonly tokens: Tokens;
  readonly control: HubControl;
  /** Tells why somebody was refused. */
  refused(reason: string, address: string): void;
  /** A session came to its end. */
  ended(session: HubSession): void;
}

/** One request under way. */
interface UnderWay {
  readonly bytes: number;
  readonly cancellation: Cancellation;
}

/** Requests of one client that are under way; 10,000 waiting inboxes are normal. */
const MAX_UNDER_WAY = 100_000;
/** How long the end of a hub waits for what is being done. */
const LEAVE_MS = 1_000;

/** One client at the hub. */
export class HubSession implements ConnectionEvents, Client {
  readonly cursors: Cursors = new Cursors();
  readonly served: ServedCalls = new ServedCalls();
  readonly #hub: HubShared;
  readonly #connection: Connection;
  readonly #peer: PeerInfo;
  readonly #underWay = new Map<number, UnderWay>();
  readonly #helloTimer: NodeJS.Timeout;
  #lent: LentStore | undefined;
  #heartbeat: Heartbeat | undefined;
  #saidHello = false;
  readonly #throttle: Throttle;
  agent: string | undefined;
  isGone = false;
  #isLeaving = false;
  #whenAnswered: (() => void) | undefined;

  constructor(hub: HubShared, connection: Connection, peer: PeerInfo) {
    this.#hub = hub;
    this.#connection = connection;
    this.#peer = peer;
    this.#throttle = new Throttle(connection, (reason) => {
      hub.refused(reason, peer.address);
      connection.destroy();
    });
    this.#helloTimer = setTimeout(() => this.#refuse(bad(`no hello within ${HELLO_MS} ms`)), HELLO_MS);
  }

  get store(): Transport {
    return this.#lentStore().transport;
  }

  get router(): CallRouter {
    return this.#lentStore().router;
  }

  get sizes(): QueueSizes {
    return this.#lentStore().sizes;
  }

  get hub(): HubControl {
    return this.#hub.control;
  }

  get maxBodyBytes(): number {
    return Math.min(MAX_BODY_BYTES, this.store.capabilities.maxBodyBytes);
  }

  onFrames(frames: readonly Frame[]): void {
    this.#heartbeat?.heard();
    try {
      for (const each of frames) this.#take(each);
    } catch (error) {
      this.#refuse(toBusbarError(error));
    }
  }

  onDrain(): void {
    this.#throttle.look();
  }

  onClose(error: BusbarError | undefined): void {
    if (this.isGone) return;
    this.isGone = true;
    clearTimeout(this.#helloTimer);
    this.#throttle.end();
    this.#heartbeat?.stop();
    if (error?.code === 'INVALID_ARGUMENT') this.#hub.refused(error.message, this.#peer.address);
    this.#cancelAll(new BusbarError('ABORTED', 'the client has gone'));
    this.cursors.closeAll();
    this.served.close();
    this.#lent?.giveBack();
    this.#hub.ended(this);
  }

  send(type: keyof typeof FRAME, id: number, head?: Head, bodies?: readonly Uint8Array[]): boolean {
    if (this.isGone) return false;
    const { buffered } = this.#connection;
    if (buffered > MAX_BUFFERED_BYTES) {
      this.#refuse(new BusbarError('BACKPRESSURE', `the client takes nothing: ${buffered} bytes wait for it`));
      return false;
    }
    this.#connection.send(frame(FRAME[type], id, head, bodies));
    this.#throttle.look();
    return true;
  }

  /** Tells clients that wait how far their subscriptions came over what does not match. */
  tellPositions(): void {
    for (const [id, position] of this.cursors.moved()) this.send('part', id, { position });
  }

  /** Ends the connection in order: what is being done is answered first, what waits is left to the next hub. */
  async goodbye(reason: string): Promise<void> {
    this.#isLeaving = true;
    this.#throttle.stopReading();
    this.#cancelAll(aborted());
    await this.#answered();
    this.#connection.send(frame(FRAME.goaway, 0, { reason }));
    this.#connection.close();
  }

  #cancelAll(reason: BusbarError): void {
    for (const { cancellation } of this.#underWay.values()) cancellation.cancel(reason);
  }

  async #answered(): Promise<void> {
    if (this.#underWay.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whenAnswered = resolve;
    const timer = setTimeout(resolve, LEAVE_MS);
    await promise;
    clearTimeout(timer);
  }

  #lentStore(): LentStore {
    if (this.#lent === undefined) throw bad('a request before the welcome');
    return this.#lent;
  }

  #take(each: Frame): void {
    if (each.type === FRAME.hello) void this.#hello(each.head);
    else if (each.type === FRAME.ping) this.#connection.send(frame(FRAME.pong));
    else if (each.type === FRAME.goaway) this.#connection.close();
    else if (each.type === FRAME.pong) return;
    else if (this.#lent === undefined) throw bad('a frame before the welcome');
    else if (each.type === FRAME.request) this.#request(each);
    else if (each.type === FRAME.cancel) this.#underWay.get(each.id)?.cancellation.cancel(aborted());
    else if (each.type === FRAME.credit) this.router.credited(this, each);
    else if (each.type === FRAME.part || each.type === FRAME.answer || each.type === FRAME.error)
      this.served.heard(each);
    else throw bad(`a client does not send frames of type ${each.type}`);
  }

  async #hello(head: Head): Promise<void> {
    if (this.#saidHello) return this.#refuse(bad('a second hello'));
    this.#saidHello = true;
    try {
      const { ns, agent, token, heartbeatMs } = readHello(head);
      this.agent = this.#hub.tokens.admit(this.#peer.token ?? token, agent, this.#peer.expects);
      const lent = await this.#hub.stores.lend(ns);
      if (this.isGone) return lent.giveBack();
      this.#lent = lent;
      clearTimeout(this.#helloTimer);
      this.#connection.send(frame(FRAME.welcome, 0, toWelcome(this.#hub.id, this.store, this.maxBodyBytes)));
      this.#heartbeat = new Heartbeat(heartbeatMs, this.#connection, () =>
        this.#hub.refused('it went silent', this.#peer.address),
      );
    } catch (error) {
      const failure = toBusbarError(error);
      this.#connection.send(frame(FRAME.error, 0, toErrorHead(failure)));
      this.#refuse(failure);
    }
  }

  #request({ id, head, bodies }: Frame): void {
    if (this.#underWay.has(id)) throw bad(`two requests under the id ${id}`);
    if (this.#underWay.size >= MAX_UNDER_WAY) {
      this.#fail(id, tooMany());
      return;
    }
    const cancellation = new Cancellation();
    const underWay = { bytes: bytesOf(bodies), cancellation };
    this.#underWay.set(id, underWay);
    this.#throttle.took(underWay.bytes);
    this.#start({ id, head, bodies, cancellation, client: this }).then(
      (reply) => {
        if (!this.send('answer', id, reply.head, reply.bodies)) reply.undo?.();
        this.#over(id, underWay);
      },
      (error: unknown) => {
        const isLeftToNext = this.#isLeaving && cancellation.isHeard;
        if (!isLeftToNext) this.#fail(id, toBusbarError(error));
        this.#over(id, underWay);
      },
    );
  }

  async #start(request: Request): Promise<Reply> {
    return findOperation(request.head['op'])(request);
  }

  #over(id: number, { bytes }: UnderWay): void {
    this.#underWay.delete(id);
    this.#throttle.took(-bytes);
    if (this.#underWay.size === 0) this.#whenAnswered?.();
  }

  #fail(id: number, error: BusbarError): void {
    this.send('error', id, toErrorHead(error));
  }

  #refuse(error: BusbarError): void {
    if (this.isGone) return;
    this.#hub.refused(error.message, this.#peer.address);
    this.#connection.send(frame(FRAME.goaway, 0, { code: error.code, reason: error.message }));
    this.#connection.close();
  }
}

function bytesOf(bodies: readonly Uint8Array[]): number {
  let bytes = 256;
  for (const { byteLength } of bodies) bytes += byteLength;
  return bytes;
}

function aborted(): BusbarError {
  return new BusbarError('ABORTED', 'the client waits no more');
}

function tooMany(): BusbarError {
  return new BusbarError('BACKPRESSURE', `${MAX_UNDER_WAY} requests of this client are under way`, {
    hint: 'Await some.',
  });
}
