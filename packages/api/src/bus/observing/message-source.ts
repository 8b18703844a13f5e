/** Where a handled message comes from. */

/** The source of a message, as errors, events and middleware name it. Fields that do not apply are left out. */
export interface MessageSource {
  readonly kind: 'task' | 'message' | 'event' | 'request';
  /** The queue of a task. */
  readonly queue?: string | undefined;
  /** The agent that handles a message or a request. */
  readonly agent?: string | undefined;
  /** The name of a durable subscription; the pattern of a live one. */
  readonly subscription?: string | undefined;
  /** It is an event of a live subscription, which has one attempt and is not settled. */
  readonly isLive?: boolean | undefined;
}
