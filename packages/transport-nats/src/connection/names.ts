/** Names of streams and subjects. */

import { createHash } from 'node:crypto';

/** How the levels of priority are called in subjects, highest first. */
export const LEVELS = ['high', 'normal', 'low'] as const;

/** One subject of a queue: a level, a partition of ordering keys (`k0` …), delayed messages, or dead letters. */
export type Lane = (typeof LEVELS)[number] | `k${number}` | 'delayed' | 'dead';

/** Names of one namespace. */
export class Names {
  /** Streams: messages of queues; settings and ledgers; events; kv. */
  readonly queues: string;
  readonly ledger: string;
  readonly topics: string;
  readonly kv: string;
  readonly prefix: string;

  constructor(ns: string) {
    const token = ns === '' ? '=' : encodeNamespace(ns);
    const name = ns === '' ? 'BUSBAR' : `BUSBAR_${token}`;
    this.prefix = `busbar.${token}`;
    this.queues = `${name}_QUEUES`;
    this.ledger = `${name}_LEDGER`;
    this.topics = `${name}_TOPICS`;
    this.kv = `KV_${name}`;
  }

  /** The subject of a lane of a queue; `*` for all of its lanes. */
  lane(queue: string, lane: Lane | '*'): string {
    return `${this.prefix}.q.${lane}.${queue}`;
  }

  /** The record of an id that the server's own memory of ids does not cover. */
  id(queue: string, inc: string, id: string): string {
    return `${this.prefix}.i.${digest(`${inc}\0${id}`)}.${queue}`;
  }

  ids(queue: string): string {
    return `${this.prefix}.i.*.${queue}`;
  }

  records(queue: string): string {
    return `${this.prefix}.l.${queue}`;
  }

  /** The settings record of a queue, or `>` for those of all. */
  settings(queue: string): string {
    return `${this.prefix}.s.${queue}`;
  }

  /** The header of the namespace. */
  get header(): string {
    return `${this.prefix}.h`;
  }

  /** The gate of the namespace. */
  get gate(): string {
    return `${this.prefix}.g`;
  }

  /** Clients tell each other here of a change of the gate. */
  get gateNotice(): string {
    return this.notice('$gate');
  }

  /** A closed store takes what is published below this at one revision of its gate. */
  imports(revision: number): string {
    return `${this.prefix}.m.${revision}`;
  }

  /** The stream that holds the subjects of writes since the gate closed at this revision. It stores nothing. */
  fence(revision: number): string {
    return `${this.#fences}${revision}`;
  }

  isFence(stream: string | undefined): boolean {
    return stream?.startsWith(this.#fences) === true && /^\d+$/.test(stream.slice(this.#fences.length));
  }

  get #fences(): string {
    return `${this.queues.slice(0, -'QUEUES'.length)}GATE_`;
  }

  /** Clients tell each other here what they found when they checked the store. */
  get past(): string {
    return `${this.prefix}.past`;
  }

  /** The difference between revisions and sequences. */
  get revisions(): string {
    return `${this.bucket}.o.offset`;
  }

  /** The subject in front of all keys. */
  get bucket(): string {
    return `$KV.${this.kv.slice(3)}`;
  }

  topic(topic: string): string {
    return `${this.prefix}.t.${topic}`;
  }

  ephemeral(topic: string): string {
    return `${this.prefix}.e.${topic}`;
  }

  call(address: string): string {
    return `${this.prefix}.c.${address}`;
  }

  /** Notices of changed settings of a queue. */
  notice(queue: string): string {
    return `${this.prefix}.n.${queue}`;
  }

  /** Each client answers here, so that another one learns whether it is alone. */
  get roll(): string {
    return `${this.prefix}.roll`;
  }

  /** Subjects of kv: values (`v`) and touches (`t`). */
  kvSubject(kind: 'v' | 't' | '*', path: string): string {
    return `${this.bucket}.${kind}.${path}`;
  }
}

/** A name for a consumer: at most 32 characters, whatever it stands for. */
export function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 24);
}

const MAX_TOKEN = 100;

/** Letters, digits, `_` and `-` stay; a long name becomes its digest. No two namespaces share a name. */
function encodeNamespace(ns: string): string {
  const token = escapeToken(ns);
  return token.length <= MAX_TOKEN ? token : `==${createHash('sha256').update(ns).digest('hex')}`;
}

/** `text` with each byte that is no letter, digit, `_` or `-` as `=XX`. */
export function escapeToken(text: string): string {
  if (/^[A-Za-z0-9_-]*$/.test(text)) return text;
  return [...Buffer.from(text)].map(escapeByte).join('');
}

function escapeByte(byte: number): string {
  const character = String.fromCharCode(byte);
  return /[A-Za-z0-9_-]/.test(character) ? character : `=${byte.toString(16).padStart(2, '0').toUpperCase()}`;
}
