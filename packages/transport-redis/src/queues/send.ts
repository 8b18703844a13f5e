/** Sends messages. The sends of one round trip to one queue share a script. */

import {
  type CallContext,
  type PreparedMessage,
  queueFrozen,
  queueFull,
  type TickBatcher,
  unknownQueue,
} from '@busbar/api/driver';
import type { SendResult } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import type { Argument } from '../connection/encode-command.ts';
import { notRefused, toFailures } from '../errors.ts';
import { chunksOf, MAX_ITEMS, runChunks } from '../lua/arguments.ts';
import { SEND } from '../lua/queues.ts';
import { NEW_QUEUE } from './settings.ts';
import { joinStored, type StoredMessage, toStoredMessage } from './stored-message.ts';

interface SendItem {
  readonly queue: string;
  readonly create: boolean;
  readonly id: string;
  readonly stored: StoredMessage;
}

export class Sender {
  readonly #client: ReconnectingClient;
  readonly #batcher: TickBatcher<SendItem, SendResult>;

  constructor(client: ReconnectingClient) {
    this.#client = client;
    this.#batcher = client.newBatcher({
      run: (_, items, deadline) => this.#sendAll(items, deadline),
      sizeOf: bytesOf,
    });
  }

  /** Without messages it creates the queue, or rejects if the queue is unknown or frozen. */
  send(
    queue: string,
    messages: readonly PreparedMessage[],
    create: boolean,
    { deadline }: CallContext,
  ): Promise<SendResult[]> {
    if (messages.length === 0) return this.#sendChunk({ queue, create }, [], deadline);
    const items = messages.map((message) => ({ queue, create, id: message.id, stored: toStoredMessage(message) }));
    return this.#batcher.call(`${create} ${queue}`, items, deadline).then(refuseTogether);
  }

  #sendAll(items: readonly SendItem[], deadline: number): Promise<SendResult[]> {
    const [target] = items as [SendItem];
    const chunks = chunksOf(items, MAX_ITEMS, bytesOf);
    return runChunks(chunks, (chunk) => this.#sendChunk(target, chunk, deadline));
  }

  /** After a repeat `duplicate` means stored, since the server knows the ids it has stored. */
  async #sendChunk(
    { queue, create }: Pick<SendItem, 'queue' | 'create'>,
    items: readonly SendItem[],
    deadline: number,
  ): Promise<SendResult[]> {
    const args: Argument[] = [queue, create ? 1 : 0, NEW_QUEUE];
    for (const { stored } of items) args.push(stored.key, joinStored(stored));
    let reply: unknown;
    let isRepeated: boolean;
    try {
      [reply, isRepeated] = await this.#client.runIdempotentNow(SEND, args, deadline);
    } catch (error) {
      if (items.length === 0) throw error;
      return toFailures(items, error);
    }
    const letters = String(reply);
    checkAccepted(letters, queue);
    return items.map(({ id }, index) => {
      if (letters[index] === 'f') return { id, status: 'failed', error: queueFull(queue) };
      return { id, status: letters[index] === 's' || isRepeated ? 'stored' : 'duplicate' };
    });
  }
}

function refuseTogether(results: readonly SendResult[]): SendResult[] {
  return notRefused(results as SendResult[]);
}

function bytesOf({ stored }: SendItem): number {
  return stored.body.byteLength;
}

function checkAccepted(reply: string, queue: string): void {
  if (reply === 'absent') throw unknownQueue(queue);
  if (reply === 'frozen') throw queueFrozen(queue);
}
