/** Messages of a transport: the input of a sender and the delivery to a consumer. */

/** Headers. Names match `[a-z0-9-]{1,64}`, values are well-formed Unicode. At most 16 KiB together (rule RA4). */
export type Headers = Readonly<Record<string, string>>;

/** The input of a sender. Only the body is required. */
export interface MessageInput {
  /** 1–512 bytes of UTF-8 without control characters. Default: a new UUIDv7. An id is stored once within the dedupe window. */
  readonly id?: string | undefined;
  /** 0 bytes to {@link Capabilities.maxBodyBytes}; copied before the call returns. */
  readonly body: Uint8Array;
  /** Default `application/octet-stream`. */
  readonly contentType?: string | undefined;
  readonly headers?: Headers | undefined;
  /** The type, such as `validate_token`. At most 255 characters. */
  readonly type?: string | undefined;
  /** The agent that sends it. */
  readonly from?: string | undefined;
  /** The agent that receives it. */
  readonly to?: string | undefined;
  /** 0–9, higher first. Default 4. */
  readonly priority?: number | undefined;
  /** Messages with the same key are handled one at a time and in order. 1–255 bytes. */
  readonly orderingKey?: string | undefined;
  /** The id that relates a reply to its request. */
  readonly correlationId?: string | undefined;
  /** The id of the message whose handler sent this one. */
  readonly causationId?: string | undefined;
  /** The number of handlers between the first message and this one. Default 0, at most 255. */
  readonly hops?: number | undefined;
  /** The queue for replies. */
  readonly replyTo?: string | undefined;
  /** Delivered after this delay. Default 0, at most ten years. */
  readonly delayMs?: number | undefined;
  /** Expires after this time, counted from the send. At least 1. Default: never. */
  readonly ttlMs?: number | undefined;
  /** The attempts before it becomes a dead letter, 1–1000. Default: the setting of the queue, 5. */
  readonly maxAttempts?: number | undefined;
}

/** A complete, immutable message. */
export interface Message {
  readonly id: string;
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly headers: Headers;
  readonly type: string | undefined;
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** The topic of an event; undefined for a message that was sent to a queue. */
  readonly topic: string | undefined;
  readonly priority: number;
  readonly orderingKey: string | undefined;
  readonly correlationId: string | undefined;
  readonly causationId: string | undefined;
  readonly hops: number;
  readonly replyTo: string | undefined;
  /** When it was sent, in milliseconds since 1970 by the sender's clock. Informational only. */
  readonly sentAt: number;
}

/** A message under the lease of one consumer. */
export interface Delivery extends Message {
  readonly queue: string;
  /** Settles this delivery, once. At most 512 bytes, valid in any connection of the same namespace. */
  readonly receipt: string;
  /** 1 for the first delivery. It counts leases that ended by `retry`, expiry or a crash, not by `release` (rule RQ2). */
  readonly attempt: number;
  /** How long the lease lasted at the time of delivery. */
  readonly leaseLeftMs: number;
  /**
   * When the lease ends at the earliest, by `performance.now()` of the consumer: counted from the sending of the claim, since
   * its answer may be late. From then on another consumer may have the message.
   */
  readonly leaseEndsAt?: number | undefined;
  /** How long until the message expires; undefined if it never does. */
  readonly ttlLeftMs: number | undefined;
}

/** An event of a subscription. */
export interface TopicEvent extends Message {
  readonly topic: string;
  /** Its position in the log; undefined for an ephemeral event. */
  readonly position: string | undefined;
}

/** One ended attempt of a message (rule RQ5). */
export interface AttemptRecord {
  /** The number of the attempt. */
  readonly attempt: number;
  /** When it ended, in milliseconds since 1970. */
  readonly endedAt: number;
  /** `retry` and `reject` are settlements; `expired` means that the lease ended. */
  readonly outcome: 'retry' | 'reject' | 'expired';
  /** The reason of the consumer, at most 4 KiB. */
  readonly reason: string | undefined;
  readonly consumer: string | undefined;
}
