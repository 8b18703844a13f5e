/** Who may come in: tokens, compared in constant time, each for anyone or for one agent only. */

import { createHash, timingSafeEqual } from 'node:crypto';
import { BusbarError, checkText, invalid } from '@busbar/api/transport';

/** One token. */
export interface AccessToken {
  readonly token: string;
  /** The only agent that whoever has it may speak for. Default: any. */
  readonly agent?: string;
}

const MIN_LENGTH = 16;

/** The tokens of a hub; without any, everybody who can connect is let in. */
export class Tokens {
  readonly #known: readonly { readonly digest: Buffer; readonly agent: string | undefined }[];

  constructor(tokens: readonly AccessToken[]) {
    this.#known = tokens.map(({ token, agent }) => {
      checkText(token, 'token', 512);
      checkText(agent, 'agent', 255);
      if (token.length < MIN_LENGTH) throw invalid('a token is too short', `Use ${MIN_LENGTH} characters or more.`);
      return { digest: digest(token), agent };
    });
  }

  /** Whether a token lets anybody in. */
  admits(token: string | undefined): boolean {
    try {
      this.admit(token, undefined);
      return true;
    } catch {
      return false;
    }
  }

  /**
   * The agent whom a client may speak for, undefined for any. `expected` is a token of the link's own. Throws
   * PERMISSION_DENIED where it is not let in.
   */
  admit(token: string | undefined, agent: string | undefined, expected?: string): string | undefined {
    const known =
      expected === undefined ? this.#known : [...this.#known, { digest: digest(expected), agent: undefined }];
    if (known.length === 0) return agent;
    const given = digest(token ?? '');
    // All are compared, so that the time says nothing of which it was.
    const found = known.filter((each) => timingSafeEqual(each.digest, given));
    const [match] = found;
    if (token === undefined || match === undefined) {
      throw new BusbarError(
        'PERMISSION_DENIED',
        token === undefined ? 'the hub wants a token' : 'the hub does not know this token',
        {
          hint: 'Use the token of the file beside the socket, or that of --token-file.',
        },
      );
    }
    if (agent === undefined || match.agent === undefined || match.agent === agent) return match.agent ?? agent;
    throw new BusbarError('PERMISSION_DENIED', 'this token belongs to another agent', {
      hint: "Use the agent's own token.",
    });
  }
}

/** Digests have one length, whatever a peer sends. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
