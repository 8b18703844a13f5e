/** Parcels of calls as they arrive on a channel: decoded, in order, with the bodies that were stored. */

import { CallFrame, decodeFields } from '@busbar/api/driver';
import { BusbarError, type Message } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import { TAKE_BODIES } from '../lua/calls.ts';
import { toBytes } from '../queues/stored-message.ts';
import type { ParcelHead, ParcelKind, ParcelsLine } from './parcel.ts';

export interface ArrivedParcel {
  /** The process that sent it. */
  readonly by: string;
  readonly kind: ParcelKind;
  readonly name: string;
  readonly detail: unknown;
  /** Undefined if the server lost one of them. */
  readonly messages: readonly Message[] | undefined;
}

/** What {@link Arrivals} works with. */
export interface ArrivalsDependencies {
  readonly client: ReconnectingClient;
  /** Called with errors of messages that no Busbar sent. */
  readonly onError: (error: BusbarError) => void;
}

export class Arrivals {
  readonly #client: ReconnectingClient;
  readonly #onError: (error: BusbarError) => void;
  readonly #deliver: (parcel: ArrivedParcel) => void;
  /** Payloads that wait for stored bodies, and those behind them. */
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();

  constructor({ client, onError }: ArrivalsDependencies, deliver: (parcel: ArrivedParcel) => void) {
    this.#client = client;
    this.#onError = onError;
    this.#deliver = deliver;
  }

  /** Takes the payload of a message; an empty one only asks whether this process is there. */
  take(payload: Buffer): void {
    if (payload.byteLength === 0) return;
    try {
      this.#takeFrame(new CallFrame<ParcelsLine>(payload));
    } catch (error) {
      this.#onError(toForeign(error));
    }
  }

  #takeFrame(frame: CallFrame<ParcelsLine>): void {
    const stored = storedIds(frame.line);
    if (stored.length === 0 && this.#waiting === 0) {
      this.#deliverAll(frame, new Map());
      return;
    }
    const bodies = this.#fetch(stored);
    this.#waiting += 1;
    this.#last = this.#last
      .then(async () => this.#deliverAll(frame, await bodies))
      .catch((error: unknown) => this.#onError(toForeign(error)))
      .then(() => {
        this.#waiting -= 1;
      });
  }

  /** Without the bodies that are lost. */
  async #fetch(ids: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>> {
    const bodies = new Map<string, Uint8Array>();
    if (ids.length === 0) return bodies;
    const options = { deadline: Number.POSITIVE_INFINITY, repeat: false };
    const replies = (await this.#client.run(TAKE_BODIES, ids, options).catch(() => [])) as (Buffer | null)[];
    for (const [index, body] of replies.entries()) if (body) bodies.set(ids[index] ?? '', toBytes(body));
    return bodies;
  }

  #deliverAll(frame: CallFrame<ParcelsLine>, bodies: ReadonlyMap<string, Uint8Array>): void {
    const { by, parcels } = frame.line;
    const read = (head: ParcelHead): Message | undefined => {
      if (head.stored === undefined) return frame.message(head);
      const body = bodies.get(head.stored);
      return body && decodeFields(head, body);
    };
    for (const [kind, name, detail, heads] of parcels) {
      const messages = heads.map(read);
      const isComplete = messages.every((message) => message !== undefined);
      this.#deliver({ by, kind, name, detail, messages: isComplete ? messages : undefined });
    }
  }
}

function toForeign(cause: unknown): BusbarError {
  return new BusbarError('INTERNAL', 'a message on a channel of calls cannot be read, and is ignored', {
    hint: 'Look for other programs that publish in this namespace.',
    cause,
  });
}

function storedIds({ parcels }: ParcelsLine): string[] {
  const ids: string[] = [];
  for (const [, , , heads] of parcels) for (const { stored } of heads) if (stored !== undefined) ids.push(stored);
  return ids;
}
