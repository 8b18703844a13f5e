/** What a namespace is called on the server. */

import { createHash } from 'node:crypto';

/** Names of one namespace. */
export interface Names {
  readonly stream: string;
  /** Records of queues, entries and bindings. */
  readonly log: string;
  /** Records with events. */
  readonly events: string;
  /** Pieces of snapshots, and what says where a whole one is. */
  readonly piece: string;
  readonly mark: string;
  /** In front of the subjects of calls and of ephemeral events, which are never stored. */
  readonly calls: string;
  readonly passing: string;
}

const MAX_TOKEN = 100;

/** The names for the namespace `ns`: no two namespaces share one. */
export function namesOf(ns: string): Names {
  const token = ns === '' ? '=' : encode(ns);
  const subject = `busbar.${token}`;
  return {
    stream: ns === '' ? 'BUSBAR' : `BUSBAR_${token}`,
    log: `${subject}.log`,
    events: `${subject}.events`,
    piece: `${subject}.piece`,
    mark: `${subject}.mark`,
    calls: `${subject}.call.`,
    passing: `${subject}.pass.`,
  };
}

/** Letters, digits, `_` and `-` stay; a long name becomes its digest. */
function encode(ns: string): string {
  const token = [...Buffer.from(ns)].map(toSafe).join('');
  return token.length <= MAX_TOKEN ? token : `==${createHash('sha256').update(ns).digest('hex')}`;
}

function toSafe(byte: number): string {
  const character = String.fromCharCode(byte);
  return /[A-Za-z0-9_-]/.test(character) ? character : `=${byte.toString(16).padStart(2, '0')}`;
}
