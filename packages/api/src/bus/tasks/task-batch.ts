/** Batches of tasks: what is put in by one call goes out in one. */

import { MAX_BATCH } from '../../contract/defaults.ts';
import { BusbarError } from '../../contract/errors.ts';
import type { MessageInput } from '../../contract/message.ts';
import type { CallOptions, SendResult, Transport } from '../../contract/transport.ts';

interface Waiting {
  readonly input: MessageInput;
  readonly resolve: (result: SendResult) => void;
  readonly reject: (error: unknown) => void;
}

/** Gathers the messages of one turn and sends them together. */
export class TaskBatch {
  readonly #transport: Transport;
  readonly #queue: string;
  readonly #bounds: CallOptions;
  #waiting: Waiting[] = [];

  constructor(transport: Transport, queue: string, bounds: CallOptions) {
    this.#transport = transport;
    this.#queue = queue;
    this.#bounds = bounds;
  }

  /** Resolves with what became of the message. */
  send(input: MessageInput): Promise<SendResult> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ input, resolve, reject });
      if (this.#waiting.length === 1) queueMicrotask(() => this.#flush());
      if (this.#waiting.length === MAX_BATCH) this.#flush();
    });
  }

  #flush(): void {
    const batch = this.#waiting;
    this.#waiting = [];
    if (batch.length === 0) return;
    const inputs = batch.map(({ input }) => input);
    this.#transport.queues.send(this.#queue, inputs, this.#bounds).then(
      (results) => {
        for (const [index, { resolve, reject }] of batch.entries()) {
          const result = results[index];
          if (result === undefined) reject(new BusbarError('INTERNAL', 'a result is missing', { outcome: 'unknown' }));
          else resolve(result);
        }
      },
      (error: unknown) => {
        for (const { reject } of batch) reject(error);
      },
    );
  }
}
