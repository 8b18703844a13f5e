/** What imports know of a queue, so that they read it once. */

import type { ExportedMessage } from '@busbar/api/transport';
import type { Lane } from '../connection/names.ts';

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
  /** Whether its messages were read. */
  isRead = false;
  /** Ids within their windows when it was read. */
  windows: ReadonlySet<string> = new Set();
  /** Set if no id had a record when it was read: the guard of each record refuses a second one. */
  hasNoRecords: boolean | undefined;
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

  /** Forgets a message that the queue holds no more. */
  forget(message: Message, held: HeldMessage): void {
    const left = this.like(message).filter((each) => each !== held);
    if (left.length === 0) this.#messages.delete(originOf(message));
    else this.#messages.set(originOf(message), left);
  }
}

/** Events of several topics can have one id. */
function originOf({ id, topic }: Message): string {
  return topic === undefined ? id : `${id}\n${topic}`;
}
