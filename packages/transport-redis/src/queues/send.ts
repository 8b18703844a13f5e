/** Sending: what is sent to one queue in one turn travels in one script. */

import type { CallContext, PreparedMessage } from '@busbar/api/driver';
import { BusbarError, type SendResult } from '@busbar/api/transport';
import type { Link } from '../connection/client.ts';
import type { Argument } from '../connection/connection.ts';
import type { Turn } from '../connection/tick-batcher.ts';
import { toRedisError } from '../errors.ts';
import { SCRIPTS } from '../lua/scripts.ts';
import { NEW_QUEUE } from './queue-settings.ts';
import { type Content, toContent } from './stored-message.ts';

/** What one script takes at most. */
const MAX_MESSAGES = 256;
const MAX_BYTES = 1_048_576;

interface Sending {
  readonly id: string;
  readonly content: Content;
  readonly deadline: number;
  readonly done: (result: SendResult) => void;
  readonly refuse: (error: BusbarError) => void;
}

/** Sends messages. Each call gets its own results; none fails for another's fault. */
export class Sender {
  readonly #link: Link;
  readonly #turn: Turn;

  constructor(link: Link, turn: Turn) {
    this.#link = link;
    this.#turn = turn;
  }

  send(
    queue: string,
    messages: readonly PreparedMessage[],
    create: boolean,
    { deadline }: CallContext,
  ): Promise<SendResult[]> {
    if (messages.length === 0) return this.#touch(queue, create, deadline);
    return new Promise((resolve, reject) => {
      const results: SendResult[] = new Array(messages.length);
      let left = messages.length;
      const flush = (items: Sending[]): void => this.#flush(queue, create, items);
      for (const [index, message] of messages.entries()) {
        const done = (result: SendResult): void => {
          results[index] = result;
          left -= 1;
          if (left === 0) resolve(results);
        };
        const sending = { id: message.id, content: toContent(message), deadline, done, refuse: reject };
        this.#turn.add(`send ${create} ${queue}`, sending, flush);
      }
    });
  }

  /** A batch of none creates the queue, or finds that it is not there or frozen. */
  async #touch(queue: string, create: boolean, deadline: number): Promise<SendResult[]> {
    const args = [queue, create ? 1 : 0, NEW_QUEUE];
    const reply = await this.#link.run(SCRIPTS.send, args, { deadline, repeat: true });
    const refusal = refusalOf(String(reply), queue);
    if (refusal !== undefined) throw refusal;
    return [];
  }

  #flush(queue: string, create: boolean, items: readonly Sending[]): void {
    for (let from = 0; from < items.length; ) {
      let to = from;
      for (let bytes = 0; to < items.length && to - from < MAX_MESSAGES && bytes < MAX_BYTES; to += 1) {
        bytes += items[to]?.content.body.byteLength ?? 0;
      }
      this.#store(queue, create, items.slice(from, to));
      from = to;
    }
  }

  /** Sending again is safe: ids that are stored are known. A lost answer is so asked for again, and then `duplicate` means stored. */
  #store(queue: string, create: boolean, items: readonly Sending[]): void {
    const args: Argument[] = [queue, create ? 1 : 0, NEW_QUEUE];
    let deadline = 0;
    for (const { content, deadline: own } of items) {
      args.push(content.key, content.head, content.body);
      deadline = Math.max(deadline, own);
    }
    let isRepeated = false;
    const onRepeat = (): void => {
      isRepeated = true;
    };
    this.#link.run(SCRIPTS.send, args, { deadline, repeat: true, onRepeat }).then(
      (reply) => settleAll(items, queue, isRepeated ? String(reply).replaceAll('d', 's') : String(reply)),
      (error: unknown) => failAll(items, toRedisError(error)),
    );
  }
}

function settleAll(items: readonly Sending[], queue: string, letters: string): void {
  const refusal = refusalOf(letters, queue);
  for (const [index, { id, done, refuse }] of items.entries()) {
    if (refusal !== undefined) refuse(refusal);
    else if (letters[index] === 's') done({ id, status: 'stored' });
    else if (letters[index] === 'd') done({ id, status: 'duplicate' });
    else done({ id, status: 'failed', error: full(queue) });
  }
}

function failAll(items: readonly Sending[], error: BusbarError): void {
  for (const { id, done, refuse } of items) {
    if (error.code === 'UNAVAILABLE' || error.code === 'CLOSED') refuse(error);
    else done({ id, status: error.outcome, error });
  }
}

function refusalOf(reply: string, queue: string): BusbarError | undefined {
  if (reply === 'absent') {
    return new BusbarError('NOT_FOUND', `there is no queue ${queue}`, {
      hint: 'Look at the name, or create it first.',
    });
  }
  if (reply === 'frozen') {
    return new BusbarError('CONFLICT', `queue ${queue} is frozen`, { hint: 'It takes no messages for now.' });
  }
  return undefined;
}

function full(queue: string): BusbarError {
  return new BusbarError('BACKPRESSURE', `queue ${queue} is full`, {
    hint: 'Slow down, consume faster, or raise maxLength.',
  });
}
