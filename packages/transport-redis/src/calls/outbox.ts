/** What the calls of this process publish: the parcels of one round trip to one channel share a message. */

import { encodeFrame, toSizedHead } from '@busbar/api/driver';
import type { Message } from '@busbar/api/transport';
import type { ReconnectingClient, RunOptions } from '../connection/client.ts';
import { toRedisError } from '../errors.ts';
import { PUBLISH_WITH_BODIES } from '../lua/calls.ts';
import { toBuffer } from '../queues/stored-message.ts';
import type { Parcel, ParcelHead, ParcelLine, ParcelsLine } from './parcel.ts';

/** Bodies above this are stored until they are taken. */
const LARGE_BYTES = 32_768;
/** One message of a channel. */
const MAX_BYTES = 262_144;
const MAX_PARCELS = 256;
/** So many parcels do not wait for the end of the turn: the other end works on them while this process makes the next ones. */
const ENOUGH = 16;
/** Room for the fields of a message. */
const HEAD_BYTES = 256;

export class Outbox {
  readonly #client: ReconnectingClient;
  readonly #channels = new Map<string, Parcel[]>();
  /** The parcels in them. */
  #count = 0;
  #bodies = 0;
  #sent: Promise<unknown> = Promise.resolve();

  constructor(client: ReconnectingClient) {
    this.#client = client;
  }

  add(channel: string, parcel: Parcel): void {
    const parcels = this.#channels.get(channel);
    if (parcels !== undefined) parcels.push(parcel);
    else this.#channels.set(channel, [parcel]);
    this.#count += 1;
    if (this.#count === 1) this.#client.inNextRound(() => this.#flush());
    if (this.#count === ENOUGH) this.#flush();
  }

  /** Resolves when what was added has been sent or dropped, or after `ms`. */
  sent(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      void this.#allSent().then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  async #allSent(): Promise<void> {
    if (this.#channels.size > 0) await new Promise<void>((resolve) => this.#client.inNextRound(resolve));
    await this.#sent;
  }

  #flush(): void {
    const channels = [...this.#channels];
    this.#channels.clear();
    this.#count = 0;
    for (const [channel, parcels] of channels) {
      for (const some of partsOf(parcels)) this.#sent = this.#publish(channel, some);
    }
  }

  async #publish(channel: string, parcels: readonly Parcel[]): Promise<void> {
    const options = {
      deadline: Math.max(...parcels.map(({ deadline }) => deadline)),
      repeat: parcels.every(({ repeat }) => repeat),
    };
    try {
      const count = await this.#send(channel, parcels, options);
      for (const { onTaken, onAbsent } of parcels) count === 0 ? onAbsent?.() : onTaken?.();
    } catch (reason) {
      const error = toRedisError(reason);
      for (const { onError } of parcels) onError?.(error);
    }
  }

  async #send(channel: string, parcels: readonly Parcel[], options: RunOptions): Promise<number> {
    const inline: Message[] = [];
    const stored: (string | Buffer)[] = [];
    const toHead = (message: Message): ParcelHead => {
      if (message.body.byteLength <= LARGE_BYTES) {
        inline.push(message);
        return toSizedHead(message);
      }
      this.#bodies += 1;
      const id = `${this.#client.past.process}.${this.#bodies}`;
      stored.push(id, toBuffer(message.body));
      return { ...toSizedHead(message), size: 0, stored: id };
    };
    const lines = parcels.map(
      ({ kind, name, detail, messages }): ParcelLine => [kind, name, detail, messages.map(toHead)],
    );
    const line: ParcelsLine = { by: this.#client.past.process, parcels: lines };
    const payload = toBuffer(encodeFrame(line, inline));
    if (stored.length === 0) return Number(await this.#client.publishNow(channel, payload, options));
    return Number(await this.#client.runNow(PUBLISH_WITH_BODIES, [channel, payload, ...stored], options));
  }
}

/** Consecutive parcels of one message. Those that may arrive twice are not mixed with others. */
function* partsOf(parcels: readonly Parcel[]): Iterable<readonly Parcel[]> {
  let from = 0;
  let bytes = 0;
  for (const [index, parcel] of parcels.entries()) {
    const isOther = index > from && parcel.repeat !== parcels[from]?.repeat;
    if (isOther || index - from >= MAX_PARCELS || bytes >= MAX_BYTES) {
      yield parcels.slice(from, index);
      from = index;
      bytes = 0;
    }
    for (const { body } of parcel.messages) bytes += Math.min(body.byteLength, LARGE_BYTES) + HEAD_BYTES;
  }
  yield from === 0 ? parcels : parcels.slice(from);
}
