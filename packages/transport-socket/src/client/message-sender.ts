/** Sends messages to queues and topics, with few requests. */

import { decodeError, type PreparedMessage, TickBatcher } from '@busbar/api/driver';
import type { SendResult } from '@busbar/api/transport';
import { encodeInput, type Frame, type Header, sizeOfMessage } from '@busbar/wire';
import { BATCH_BYTES } from '../wire/protocol.ts';
import type { HubClient } from './hub-client.ts';
import type { RequestSpec } from './pending-request.ts';
import { splitBatches } from './split-batches.ts';

/** The request for messages to `name`, a queue or topic, without the messages. */
export type EncodeTarget = (name: string, flag: boolean) => Pick<RequestSpec, 'op' | 'header' | 'whenLost'>;

/**
 * Messages of one request. A full request leaves before its turn ends: the hub stores its messages while this process makes the
 * next ones. With 64 sends in flight both work at the same time.
 */
const MAX_ITEMS = 32;

/** Sends messages. Consecutive calls of one turn with the same name and flag share a request. */
export class MessageSender<R extends SendResult> {
  readonly #client: HubClient;
  readonly #agent: string | undefined;
  readonly #encodeTarget: EncodeTarget;
  readonly #batcher: TickBatcher<PreparedMessage, R>;
  /** The target of the open batch. */
  #name = '';
  #flag = false;
  #size = 0;

  constructor(client: HubClient, agent: string | undefined, encodeTarget: EncodeTarget) {
    this.#client = client;
    this.#agent = agent;
    this.#encodeTarget = encodeTarget;
    this.#batcher = new TickBatcher<PreparedMessage, R>({
      run: (_key, messages, deadline) => this.#sendAll(this.#name, this.#flag, messages, deadline),
      schedule: (flush) => client.defer(flush),
      maxItems: MAX_ITEMS,
      maxSize: BATCH_BYTES,
      sizeOf: sizeOfMessage,
    });
  }

  send(name: string, flag: boolean, messages: readonly PreparedMessage[], deadline: number): Promise<R[]> {
    // A message from another agent fails its whole request, so it must not share one (rule RD2).
    if (this.#isForeign(messages)) return this.#sendAll(name, flag, messages, deadline);
    // One open batch at a time keeps the order of calls with different flags.
    if (name !== this.#name || flag !== this.#flag) this.#batcher.flush();
    this.#name = name;
    this.#flag = flag;
    const results = this.#batcher.call('', messages, deadline) as Promise<R[]>;
    this.#size += messages.length;
    if (this.#size >= MAX_ITEMS) {
      this.#batcher.flush();
      this.#client.flush();
    }
    return results;
  }

  #isForeign(messages: readonly PreparedMessage[]): boolean {
    const agent = this.#agent;
    return agent !== undefined && messages.some(({ from }) => from !== undefined && from !== agent);
  }

  /** Splits the messages by size. Their ids ensure that a repeated request stores nothing twice. */
  async #sendAll(name: string, flag: boolean, messages: readonly PreparedMessage[], deadline: number): Promise<R[]> {
    this.#size = 0;
    const { op, header, whenLost } = this.#encodeTarget(name, flag);
    const batches = splitBatches(messages, sizeOfMessage);
    const results = await Promise.all(
      batches.map(async (batch) => {
        const bodies = batch.map(({ body }) => body);
        const fields = { ...header, messages: batch.map(encodeInput) };
        const request = this.#client.start({ op, header: fields, bodies, deadline, whenLost });
        return decodeResults<R>(await request.response, request.isRepeated);
      }),
    );
    return results.length === 1 && results[0] !== undefined ? results[0] : results.flat();
  }
}

/** After a repetition, `duplicate` means that the first attempt was stored, as far as can be known. */
function decodeResults<R extends SendResult>({ header }: Frame, isRepeated: boolean): R[] {
  const results = header['results'] as (Omit<SendResult, 'error'> & { readonly error?: Header })[];
  return results.map((result) => {
    const status = isRepeated && result.status === 'duplicate' ? 'stored' : result.status;
    const { error } = result;
    return (error === undefined ? { ...result, status } : { ...result, status, error: decodeError(error) }) as R;
  });
}
