/** Who may open a WebSocket: the checks of an upgrade, before it is answered with 101. */

import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { BusbarError, quote } from '@busbar/api/transport';
import type { Tokens } from '../hub/tokens.ts';

/** What an upgrade is measured by. */
export interface AdmissionRules {
  /** The path of the endpoint. */
  readonly path: string;
  /** Names besides IP addresses and `localhost` under which the hub may be addressed. */
  readonly hosts: readonly string[];
  /** Web pages that may connect, such as `https://app.example`. */
  readonly origins: readonly string[];
  readonly tokens: Tokens;
}

/** Who is let in. */
export interface Admitted {
  readonly token?: string;
}

/** An upgrade that is refused. */
export class Refusal extends BusbarError {
  readonly status: number;

  constructor(status: number, code: BusbarError['code'], message: string, hint: string) {
    super(code, message, { hint });
    this.status = status;
  }
}

/** The subprotocol of a hub. */
export const SUBPROTOCOL = 'busbar';
/** In front of a token among the subprotocols: all that a browser can say of itself. */
const TOKEN_PROTOCOL = 'busbar.token.';

/** Checks an upgrade. Throws a {@link Refusal}. */
export function admit({ url = '', headers }: IncomingMessage, rules: AdmissionRules): Admitted {
  const { host, origin, authorization } = headers;
  if (url !== rules.path) {
    const hint = url.includes('?')
      ? 'The URL takes no parameters here; a token is a header.'
      : `The hub is at ${rules.path}.`;
    throw new Refusal(404, 'NOT_FOUND', 'there is no hub at this path', hint);
  }
  if (!isKnownHost(host, rules.hosts)) {
    throw new Refusal(
      403,
      'PERMISSION_DENIED',
      `the hub is not called ${quote(host)}`,
      'Name it with ?host= where it listens.',
    );
  }
  if (origin !== undefined && !rules.origins.includes(origin)) {
    const hint = 'Name it with ?origin= where the hub listens.';
    throw new Refusal(403, 'PERMISSION_DENIED', `the web page ${quote(origin)} may not connect`, hint);
  }
  const token = readToken(authorization, headers['sec-websocket-protocol']);
  try {
    rules.tokens.admit(token, undefined);
  } catch (error) {
    const { code, message, hint } = error as BusbarError;
    throw new Refusal(401, code, message, hint ?? '');
  }
  return token === undefined ? {} : { token };
}

/** A name that is not ours is a web page whose name was made to point here. */
function isKnownHost(header: string | undefined, hosts: readonly string[]): boolean {
  const [, bracketed, plain = ''] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d+)?$/.exec(header ?? '') ?? [];
  const name = (bracketed ?? plain).toLowerCase();
  return name === 'localhost' || isIP(name) !== 0 || hosts.includes(name);
}

function readToken(authorization: string | undefined, protocols = ''): string | undefined {
  const [, bearer] = /^Bearer +([\x21-\x7e]{1,512})$/i.exec(authorization ?? '') ?? [];
  if (bearer !== undefined) return bearer;
  const named = protocols.split(',').find((each) => each.trim().startsWith(TOKEN_PROTOCOL));
  return named?.trim().slice(TOKEN_PROTOCOL.length);
}
