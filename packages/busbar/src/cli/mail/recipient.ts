/** What a shell is told when a recipient is not there. */

import { BusbarError, isBusbarError } from '@busbar/api/transport';

/** The same error, with a hint that names commands and flags instead of functions. */
export function toShellError(error: unknown): unknown {
  if (!isBusbarError(error)) return error;
  const hint = hintFor(error);
  if (hint === undefined) return error;
  return new BusbarError(error.code, error.message, { hint, outcome: error.outcome, cause: error.cause });
}

function hintFor({ code, hint = '' }: BusbarError): string | undefined {
  const [guess] = /^Did you mean [^?]+\?/.exec(hint) ?? [];
  switch (code) {
    case 'NOT_FOUND':
      return `${guess === undefined ? '' : `${guess} `}busbar agents lists who is there; --hold parks it for one to come.`;
    case 'NO_RESPONDER':
      return 'busbar agents lists who is there, who is online, and what they can do.';
    default:
      return undefined;
  }
}
