/** Who may open a WebSocket: the checks of an upgrade, before it is answered with 101. */

import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { BusbarError, quote } from '@busbar/api/transport';

/** What an upgrade is measured by. */
export interface AdmissionRules {
  /** The path of the endpoint. */
  readonly path: string;
  /** Names besides IP addresses and `localhost` under which the hub may be addressed. */
  readonly hosts: readonly string[];
  /** Web pages that may connect, such as `https://app.example`. */
  readonly origins: readonly string[];
  /** Whether a token lets somebody in. */
  admits(token: string | undefined): boolean;
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

/** Checks an upgrade; gives the token that came with it. Throws a {@link Refusal}. */
export function admit({ url = '', headers }: IncomingMessage, rules: AdmissionRules): string | undefined {
  const { host, origin, authorization } = headers;
  if (url !== rules.path) {
    const hint = url.includes('?') ? 'Give the token in a header, nothing in the URL.' : `It is at ${rules.path}.`;
    throw new Refusal(404, 'NOT_FOUND', 'there is no hub at this path', hint);
  }
  if (!isKnownHost(host, rules.hosts)) {
    const hint = 'Add &host=NAME to the URL where the hub listens.';
    throw new Refusal(403, 'PERMISSION_DENIED', `the hub does not know itself as ${quote(host ?? '')}`, hint);
  }
  if (origin !== undefined && !rules.origins.includes(origin)) {
    const hint = 'Add &origin=ORIGIN to the URL where the hub listens.';
    throw new Refusal(403, 'PERMISSION_DENIED', `the web page ${quote(origin)} may not connect`, hint);
  }
  const token = readToken(authorization, headers['sec-websocket-protocol']);
  if (rules.admits(token)) return token;
  const problem = token === undefined ? 'the hub wants a token' : 'the hub does not know this token';
  throw new Refusal(401, 'PERMISSION_DENIED', problem, 'Name the file that holds it with the parameter tokenFile.');
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
