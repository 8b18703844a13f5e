/** Authorizes a WebSocket upgrade before the hub answers it with status 101. */

import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { BusbarError, quote } from '@busbar/api/transport';
import { HELLO_SUBPROTOCOL, TOKEN_SUBPROTOCOL } from './ws-protocol.ts';

/** The upgrades that a hub accepts. */
export interface UpgradeRules {
  /** The path of the endpoint. */
  readonly path: string;
  /** Legal host names besides IP addresses and `localhost`. */
  readonly hosts: readonly string[];
  /** Web pages that may connect, such as `https://app.example`. */
  readonly origins: readonly string[];
  /** Whether a token is valid. */
  authorizes(token: string | undefined): boolean;
}

/** A refused upgrade. */
export class UpgradeRefusal extends BusbarError {
  readonly status: number;

  constructor(status: number, code: BusbarError['code'], message: string, hint: string) {
    super(code, message, { hint });
    this.status = status;
  }
}

/** Checks an upgrade and returns its token; undefined if it comes in hello. Throws an {@link UpgradeRefusal}. */
export function checkUpgrade({ url = '', headers }: IncomingMessage, rules: UpgradeRules): string | undefined {
  const { host, origin, authorization } = headers;
  if (url !== rules.path) {
    const hint = url.includes('?') ? 'Send the token in a header, not in the URL.' : `Use the path ${rules.path}.`;
    throw new UpgradeRefusal(404, 'NOT_FOUND', 'there is no hub at this path', hint);
  }
  if (!isKnownHost(host, rules.hosts)) {
    const hint = 'Add &host=NAME to the URL where the hub listens.';
    throw new UpgradeRefusal(403, 'PERMISSION_DENIED', `${quote(host ?? '')} is not a host name of this hub`, hint);
  }
  if (origin !== undefined && !rules.origins.includes(origin)) {
    const hint = 'Add &origin=ORIGIN to the URL where the hub listens.';
    throw new UpgradeRefusal(403, 'PERMISSION_DENIED', `the web page ${quote(origin)} may not connect`, hint);
  }
  const protocols = headers['sec-websocket-protocol']?.split(',').map((each) => each.trim());
  const token = readToken(authorization, protocols);
  if (rules.authorizes(token)) return token;
  if (token === undefined && protocols?.includes(HELLO_SUBPROTOCOL)) return undefined;
  const problem = token === undefined ? 'the hub requires a token' : 'the hub does not know this token';
  const hint = 'Name the file that holds it with the parameter tokenFile.';
  throw new UpgradeRefusal(401, 'PERMISSION_DENIED', problem, hint);
}

/** Rejects foreign names: a malicious web page can resolve its own name to this machine (DNS rebinding). */
function isKnownHost(header: string | undefined, hosts: readonly string[]): boolean {
  const [, bracketed, plain = ''] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d+)?$/.exec(header ?? '') ?? [];
  const name = (bracketed ?? plain).toLowerCase();
  return name === 'localhost' || isIP(name) !== 0 || hosts.includes(name);
}

function readToken(authorization: string | undefined, protocols: readonly string[] = []): string | undefined {
  const [, bearer] = /^Bearer +([\x21-\x7e]{1,512})$/i.exec(authorization ?? '') ?? [];
  if (bearer !== undefined) return bearer;
  return protocols.find((each) => each.startsWith(TOKEN_SUBPROTOCOL))?.slice(TOKEN_SUBPROTOCOL.length);
}
