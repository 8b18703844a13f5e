/** The fast path of requests: the hub carries them from client to client, and stores nothing. */

import type { CallContext, CallDriver, PreparedMessage } from '@busbar/api/driver';
import { BusbarError, isBusbarError, type Message, type Service } from '@busbar/api/transport';
import { toErrorHead } from '../wire/error-codec.ts';
import { FRAME, type Frame, type Head } from '../wire/frame.ts';
import { readMessage, stampReply, toInputHead, toMessageHead } from '../wire/message-codec.ts';
import { Replies } from './call-replies.ts';
import type { HubLine } from './hub-client.ts';
import { ConnectionLost } from './pending-request.ts';
import { type Handler, RemoteService, ServedCall } from './remote-service.ts';

/** Calls that this client makes and serves. */
export class RemoteCalls implements CallDriver {
  readonly #line: () => HubLine;
  readonly #services = new Map<number, RemoteService>();
  /** Calls that are served now, by the hub's number. */
  readonly #served = new Map<number, ServedCall>();
  #lastService = 0;

  constructor(line: () => HubLine) {
    this.#line = line;
  }

  async serve(address: string, max: number, handler: Handler, { deadline }: CallContext): Promise<Service> {
    this.#lastService += 1;
    const service = new RemoteService(this.#lastService, address, max, handler);
    this.#services.set(service.number, service);
    try {
      await this.#line().request({ op: 'calls.serve', head: service.head, deadline, whenLost: 'repeat' });
    } catch (error) {
      this.#services.delete(service.number);
      throw error;
    }
    service.isServing = true;
    const close = (): Promise<void> => this.#closeService(service);
    return { close, [Symbol.asyncDispose]: close };
  }

  call(address: string, message: PreparedMessage, { deadline }: CallContext): AsyncIterable<Message> {
    return new Replies(this.#line(), { address, message: toInputHead(message) }, message.body, deadline);
  }

  /** What the hub says of calls that are served here. */
  heard(each: Frame): void {
    if (each.type === FRAME.call) void this.#run(each);
    else if (each.type === FRAME.cancel) this.#served.get(each.id)?.cancel();
    else this.#served.get(each.id)?.credited(each.head['count']);
  }

  /** Services are registered anew, before anything else is asked of a new connection. */
  resumed(): void {
    for (const { head, isServing } of this.#services.values()) {
      const plan = { op: 'calls.serve', head, deadline: Number.POSITIVE_INFINITY, whenLost: 'failed' } as const;
      if (isServing)
        this.#line()
          .request(plan)
          .catch(() => undefined);
    }
  }

  /** Nobody takes the replies of what is served any more. */
  lost(): void {
    for (const served of this.#served.values()) served.cancel();
    this.#served.clear();
  }

  async #run({ id, head, bodies }: Frame): Promise<void> {
    const line = this.#line();
    const { epoch } = line;
    const service = this.#services.get(head['service'] as number);
    if (service === undefined) return line.tell(FRAME.error, id, toErrorHead(nobody()));
    const served = new ServedCall();
    this.#served.set(id, served);
    const tell = (type: Frame['type'], said: Head, body?: Uint8Array): void => {
      if (line.epoch === epoch) line.tell(type, id, said, body === undefined ? [] : [body]);
    };
    service.running += 1;
    try {
      const message = readMessage(head['message'] as Head, bodies[0]);
      for await (const reply of service.handler(message, served.signal)) {
        await served.credit();
        if (served.signal.aborted) break;
        const stamped = stampReply(reply);
        tell(FRAME.part, toMessageHead(stamped), stamped.body);
      }
      tell(FRAME.answer, {});
    } catch (error) {
      tell(FRAME.error, toErrorHead(toHandlerError(error)));
    } finally {
      if (this.#served.get(id) === served) this.#served.delete(id);
      service.ended();
    }
  }

  async #closeService(service: RemoteService): Promise<void> {
    if (!this.#services.delete(service.number)) return service.idle();
    const line = this.#line();
    const { number } = service;
    const plan = { op: 'calls.unserve', head: { service: number }, deadline: Number.POSITIVE_INFINITY } as const;
    // Calls that the hub sent before it heard of this are served first. Without a connection there are none.
    if (line.isConnected) await line.request({ ...plan, whenLost: 'failed' }).catch(() => undefined);
    await service.idle();
  }
}

function nobody(): BusbarError {
  return new BusbarError('NO_RESPONDER', 'nobody serves it any more', { hint: 'Start one, or ask with durable.' });
}

function toHandlerError(error: unknown): BusbarError {
  if (isBusbarError(error) && !(error instanceof ConnectionLost)) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new BusbarError('HANDLER_FAILED', text, { cause: error });
}
