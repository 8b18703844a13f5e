/** The error by which a handler says that trying again is of no use. */

/** Thrown by a handler: the message goes straight to the dead letters, with this text as the reason. */
export class RejectError extends Error {
  override readonly name = 'RejectError';

  /** `reason` stands in the dead letter (its first 2,000 characters). */
  constructor(reason: string, options?: { readonly cause?: unknown }) {
    super(reason, options);
  }
}
