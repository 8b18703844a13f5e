/** How a call looks on a connection: a line of JSON, then the bodies one after the other. */

import type { PreparedMessage } from '@busbar/api/driver';
import { BusbarError, type Message } from '@busbar/api/transport';

/** A message in the line: its fields, and the size of its body. */
type MessageHead = Partial<Omit<PreparedMessage, 'body'>> & { readonly size: number };

const NEWLINE = 10;
const DEFAULT_TYPE = 'application/octet-stream';
const NO_HEADERS: PreparedMessage['headers'] = Object.freeze({});
/** Smaller bodies share blocks of memory. */
const SMALL = 2_048;

/** Writes values whose bytes are kept aside. */
export class Writer {
  readonly #bodies: Uint8Array[] = [];

  /** The size of `bytes`, which come after the line. */
  bytes(bytes: Uint8Array): number {
    this.#bodies.push(bytes);
    return bytes.byteLength;
  }

  /** What of a message is not as it is by default. */
  message(message: PreparedMessage): MessageHead {
    const { id, body, sentAt, contentType, headers, priority, hops, delayMs, ...rest } = message;
    return {
      id,
      size: this.bytes(body),
      sentAt,
      ...rest,
      ...(contentType === DEFAULT_TYPE ? {} : { contentType }),
      ...(priority === 4 ? {} : { priority }),
      ...(hops === 0 ? {} : { hops }),
      ...(delayMs === 0 ? {} : { delayMs }),
      ...(Object.keys(headers).length === 0 ? {} : { headers }),
    };
  }

  /** The record with this line. */
  finish(line: unknown): Buffer {
    return Buffer.concat([Buffer.from(`${JSON.stringify(line)}\n`), ...this.#bodies]);
  }
}

/** Reads what a {@link Writer} wrote. */
export class Reader {
  readonly line: unknown;
  readonly #data: Uint8Array;
  #at: number;

  constructor(data: Uint8Array) {
    const end = data.indexOf(NEWLINE);
    this.#data = data;
    this.#at = end + 1;
    this.line = JSON.parse(Buffer.from(data.buffer, data.byteOffset, Math.max(0, end)).toString());
  }

  /** The next `size` bytes, as a copy: a record is freed though one of its messages stays for long. */
  bytes(size: number): Uint8Array {
    const view = this.#data.subarray(this.#at, this.#at + size);
    const bytes = size <= SMALL ? Buffer.from(view) : new Uint8Array(view);
    if (bytes.byteLength !== size) throw new BusbarError('INTERNAL', 'a record of the log is cut short');
    this.#at += size;
    return bytes;
  }

  message(head: MessageHead): PreparedMessage {
    return {
      id: head.id ?? '',
      body: this.bytes(head.size),
      contentType: head.contentType ?? DEFAULT_TYPE,
      headers: head.headers === undefined ? NO_HEADERS : Object.freeze(head.headers),
      type: head.type,
      from: head.from,
      to: head.to,
      topic: head.topic,
      priority: head.priority ?? 4,
      orderingKey: head.orderingKey,
      correlationId: head.correlationId,
      causationId: head.causationId,
      hops: head.hops ?? 0,
      replyTo: head.replyTo,
      sentAt: head.sentAt ?? 0,
      delayMs: head.delayMs ?? 0,
      ttlMs: head.ttlMs,
      maxAttempts: head.maxAttempts,
    };
  }
}

/** What a handler or a caller gets: without the rules of delivery. */
export function toMessage(message: PreparedMessage): Message {
  const { delayMs: _, ttlMs: __, maxAttempts: ___, ...rest } = message;
  return rest;
}
