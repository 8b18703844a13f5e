/** Messages as they travel over a transport: what a sender gives, what a consumer gets. */

/** Name to value. Names match `[a-z0-9-]{1,64}`, values are well-formed Unicode, 16 KiB together (rule RA4). */
export type Headers = Readonly<Record<string, string>>;

/** What a sender gives. Only the body is required. */
export interface MessageInput {
  /** 1–512 bytes of UTF-8 without control characters. Default: a new UUIDv7. Within the dedupe window one id is stored once. */
  readonly id?: string | undefined;
  /** 0 bytes to {@link Capabilities.maxBodyBytes}; copied before the call returns. */
  readonly body: Uint8Array;
  /** Default `application/octet-stream`. */
  readonly contentType?: string | undefined;
  readonly headers?: Headers | undefined;
  /** What kind of message it is, such as `validate_token`. At most 255 characters. */
  readonly type?: string | undefined;
  /** Name of the agent that sends. */
  readonly from?: string | undefined;
  /** Name of the agent that shall get it. */
  readonly to?: string | undefined;
  /** 0–9, higher first. Default 4. */
  readonly priority?: number | undefined;
  /** Messages of one key are handled one at a time and in order. 1–255 bytes. */
  readonly orderingKey?: string | undefined;
  /** Id that ties a reply to its request. */
  readonly correlationId?: string | undefined;
  /** Id of the message whose handling sent this one. */
  readonly causationId?: string | undefined;
  /** How many handlers lie between the first cause and this message. Default 0, at most 255. */
  readonly hops?: number | undefined;
  /** Queue that replies go to. */
  readonly replyTo?: string | undefined;
  /** Not delivered before this time has passed. Default 0. At most ten years. */
  readonly delayMs?: number | undefined;
  /** Not delivered after this time has passed, counted from the send. At least 1. Default: never expires. */
  readonly ttlMs?: number | undefined;
  /** How often it may be delivered before it is dead-lettered, 1–1000. Default: the queue's, else 5. */
  readonly maxAttempts?: number | undefined;
}

/** A message that a transport holds: complete, immutable. */
export interface Message {
  readonly id: string;
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly headers: Headers;
  readonly type: string | undefined;
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** The topic it was published on; undefined for a message that was sent to a queue. */
  readonly topic: string | undefined;
  readonly priority: number;
  readonly orderingKey: string | undefined;
  readonly correlationId: string | undefined;
  readonly causationId: string | undefined;
  readonly hops: number;
  readonly replyTo: string | undefined;
  /** When it was sent, in milliseconds since 1970 by the sender's clock. For people; nothing is decided by it. */
  readonly sentAt: number;
}

/** A message that one consumer holds under a lease. */
export interface Delivery extends Message {
  readonly queue: string;
  /** Settles this delivery, once. At most 512 bytes, valid from any connection of the same namespace. */
  readonly receipt: string;
  /** 1 for the first delivery; counts leases ended by `retry`, expiry or death, never by `release` (rule RQ2). */
  readonly attempt: number;
  /** How long the lease had left when the delivery was handed over. */
  readonly leaseLeftMs: number;
  /** How long the message had to live; undefined when it never expires. */
  readonly ttlLeftMs: number | undefined;
}

/** An event that a subscriber gets. */
export interface TopicEvent extends Message {
  readonly topic: string;
  /** Where it stands in the log; undefined for an ephemeral event. */
  readonly position: string | undefined;
}

/** One ended attempt of a message, kept with its dead letter (rule RQ5). */
export interface AttemptRecord {
  /** The number of the attempt. */
  readonly attempt: number;
  /** When it ended, in milliseconds since 1970. */
  readonly endedAt: number;
  /** `retry` and `reject` were said by a consumer; `expired` means its lease ran out. */
  readonly outcome: 'retry' | 'reject' | 'expired';
  /** What the consumer said, at most 4 KiB. */
  readonly reason: string | undefined;
  readonly consumer: string | undefined;
}
