/** What imports know of a queue, so that they read it once. */

import type { ExportedMessage } from '@busbar/api/transport';
import type { Lane } from '../connection/names.ts';
import type { KnownQueue } from '../queues/queue-record.ts';

/** A message that the queue held when it was read, or that was imported since. */
export interface HeldMessage {
  readonly sentAt: number;
  readonly lane: Lane;
  /** 0 while it is being imported. */
  seq: number;
}

type Message = ExportedMessage['message'];

/** One life of a queue. */
export class ImportedQueue {
  readonly inc: string;
  /** The stream was read up to this sequence; undefined before. */
  upTo: number | undefined;
  /** Ids within their windows when it was read. */
  readonly windows: Set<string> = new Set();
  /** Set if no id had a record when it was read: the guard of each record refuses a second one. */
  hasNoRecords: boolean | undefined;
  /** The first and the last sequence of imports above `upTo`. */
  #imports: (readonly [number, number])[] = [];
  /** The messages of each origin; a list where there are several. */
  readonly #messages = new Map<string, HeldMessage | readonly HeldMessage[]>();

  constructor(inc: string) {
    this.inc = inc;
  }

  /** The messages with the id and topic of this one. */
  like(message: Message): readonly HeldMessage[] {
    return [this.#messages.get(originOf(message)) ?? []].flat();
  }

  note(message: Message, held: HeldMessage): void {
    const known = this.#messages.get(originOf(message));
    this.#messages.set(originOf(message), known === undefined ? held : [known, held].flat());
  }

  /** Messages of an import have these sequences. */
  noteImport(first: number, last: number): void {
    if (this.upTo !== undefined && first === this.upTo + 1) this.upTo = last;
    else this.#imports.push([first, last]);
  }

  isImport(seq: number): boolean {
    return this.#imports.some(([first, last]) => seq >= first && seq <= last);
  }

  /** The stream was read up to `seq`. */
  noteRead(seq: number): void {
    this.upTo = Math.max(seq, this.upTo ?? 0);
    this.#imports = this.#imports.filter(([, last]) => last > seq);
  }

  /** Forgets a message that the queue holds no more. */
  forget(message: Message, held: HeldMessage): void {
    const left = this.like(message).filter((each) => each !== held);
    if (left.length === 0) this.#messages.delete(originOf(message));
    else this.#messages.set(originOf(message), left);
  }
}

/** What imports know of this life of a queue. */
export function importedOf(imported: Map<string, ImportedQueue>, { name, record: { inc } }: KnownQueue): ImportedQueue {
  const known = imported.get(name);
  if (known?.inc === inc) return known;
  const own = new ImportedQueue(inc);
  imported.set(name, own);
  return own;
}

/** Events of several topics can have one id. */
function originOf({ id, topic }: Message): string {
  return topic === undefined ? id : `${id}\n${topic}`;
}
