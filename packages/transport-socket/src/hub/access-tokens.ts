/** Authorization: access tokens, and the agent that a client may act for. */

import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { BusbarError, checkText, invalid } from '@busbar/api/transport';

/** One token. */
export interface AccessToken {
  readonly token: string;
  /** The only agent that a client with this token may act for. Default: any. */
  readonly agent?: string | undefined;
}

const MIN_LENGTH = 16;

/** What a token allows. */
export interface Authorization {
  /** The only agent that the client sends as; undefined for any. */
  readonly agent: string | undefined;
  /** Whether the token belongs to that agent, so that the client may do only what the agent does. */
  readonly isLimited: boolean;
}

/** The tokens of a hub. A hub without tokens accepts every client that can connect. */
export class AccessTokens {
  readonly #known: readonly { readonly digest: Buffer; readonly agent: string | undefined }[];

  constructor(tokens: readonly AccessToken[]) {
    this.#known = tokens.map(({ token, agent }) => {
      checkText(token, 'token', 512);
      checkText(agent, 'agent', 255);
      if (token.length < MIN_LENGTH) throw invalid('a token is too short', `Use ${MIN_LENGTH} or more characters.`);
      return { digest: digest(token), agent };
    });
  }

  /** Whether a token belongs to a single agent, so that the hub must see what each client does. */
  get hasAgents(): boolean {
    return this.#known.some(({ agent }) => agent !== undefined);
  }

  /**
   * A secret that no agent knows: it follows from a token for all agents, so receipts are valid after a restart of the hub.
   * Without such a token it is random.
   */
  secret(): Buffer {
    const open = this.#known.find(({ agent }) => agent === undefined);
    return digest(`receipts ${open?.digest.toString('hex') ?? randomUUID()}`);
  }

  /** Whether `token` is valid for some agent. */
  authorizes(token: string | undefined): boolean {
    try {
      this.authorize(token, undefined);
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Returns what a client may do that names `agent` in hello. `expected` is a further valid token, for any agent. Throws
   * PERMISSION_DENIED for an unknown token, or a token of another agent.
   */
  authorize(token: string | undefined, agent: string | undefined, expected?: string): Authorization {
    const known =
      expected === undefined ? this.#known : [...this.#known, { digest: digest(expected), agent: undefined }];
    if (known.length === 0) return { agent, isLimited: false };
    const given = digest(token ?? '');
    // Compares all tokens, so that the time does not reveal which one matched.
    const [match] = known.filter((each) => timingSafeEqual(each.digest, given));
    if (token === undefined || match === undefined) {
      const problem = token === undefined ? 'the hub requires a token' : 'the hub does not know this token';
      throw new BusbarError('PERMISSION_DENIED', problem, {
        hint: 'Use the token from the file beside the socket, or one from the --token-file of the hub.',
      });
    }
    if (agent === undefined || match.agent === undefined || match.agent === agent) {
      return { agent: match.agent ?? agent, isLimited: match.agent !== undefined };
    }
    throw new BusbarError('PERMISSION_DENIED', 'this token belongs to another agent', {
      hint: "Use the agent's own token.",
    });
  }
}

/** Sets a missing `from` to the client's agent. Throws PERMISSION_DENIED if `from` is another agent. */
export function authorizeSender(message: { from?: unknown }, agent: string | undefined): void {
  if (agent === undefined) return;
  message.from ??= agent;
  if (message.from === agent) return;
  throw new BusbarError('PERMISSION_DENIED', `this client is ${agent} and cannot send as another agent`, {
    hint: 'Connect with the token of the other agent.',
  });
}

/** Digests of all tokens have the same length, which timingSafeEqual needs. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
