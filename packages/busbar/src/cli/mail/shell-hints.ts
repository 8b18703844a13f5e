/** Hints of the command for unknown recipients. */

import { BusbarError, isBusbarError } from '@busbar/api/transport';

/** The same error, with a hint that names verbs and flags instead of functions. */
export function withShellHint(error: unknown): unknown {
  if (!isBusbarError(error)) return error;
  const hint = hintFor(error);
  if (hint === undefined) return error;
  return new BusbarError(error.code, error.message, { hint, outcome: error.outcome, cause: error.cause });
}

function hintFor({ code, hint = '' }: BusbarError): string | undefined {
  const [guess] = /^Did you mean [^?]+\?/.exec(hint) ?? [];
  switch (code) {
    case 'NOT_FOUND':
      return `${guess === undefined ? '' : `${guess} `}busbar agents lists all agents; --create-inbox keeps the message until it registers.`;
    case 'NO_RESPONDER':
      return 'busbar agents lists all agents, their state and their capabilities.';
    default:
      return undefined;
  }
}
