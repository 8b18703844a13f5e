/** A subscription's place in the log. It merges the events of the log with ephemeral ones, in the order of publishing. */

import { Condition, EphemeralBuffer, type EventCursor, positionExpired } from '@busbar/api/driver';
import type { TopicEvent } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import { toMessage } from '../queues/stored-message.ts';
import { readLog } from './event-log.ts';
import { compareIds, earlierId, idBefore, laterId, toPosition } from './position.ts';

const START = '0-0';

/** An ephemeral event, and the last event of the log before it. */
interface EphemeralEvent {
  readonly after: string;
  readonly event: TopicEvent;
}

export class RedisEventCursor implements EventCursor {
  readonly pattern: string;
  readonly #client: ReconnectingClient;
  readonly #onClose: () => void;
  readonly #ephemeral = new EphemeralBuffer<EphemeralEvent>();
  /** The log is read up to this id. Undefined before {@link begin}. */
  #read: string | undefined;
  /** The last id that a reply has told of. {@link RedisEventCursor.advance} goes beyond it. */
  #reached = START;
  /** Events up to this id are handled or do not match. */
  #handled = START;
  /** The last id that a channel has announced. */
  #announced = START;
  readonly #news = new Condition();
  #pending: PromiseWithResolvers<readonly TopicEvent[]> | undefined;
  #isReading = false;
  #hasNews = true;
  #isClosed = false;

  constructor(pattern: string, client: ReconnectingClient, onClose: () => void) {
    this.pattern = pattern;
    this.#client = client;
    this.#onClose = onClose;
  }

  get position(): string {
    return toPosition(this.#client.past.storeId, this.#handled);
  }

  get dropped(): number {
    return this.#ephemeral.dropped;
  }

  /** Sets the id after which it reads. */
  begin(id: string): void {
    this.#read = id;
    this.#reached = id;
    this.#handled = id;
    this.#announced = laterId(id, this.#announced);
  }

  next(max: number): Promise<readonly TopicEvent[]> {
    if (this.#isClosed) return Promise.resolve([]);
    this.#handled = this.#read ?? this.#handled;
    this.#pending = Promise.withResolvers();
    this.#nextEvents(max).then(this.#pending.resolve, this.#pending.reject);
    return this.#pending.promise;
  }

  /**
   * The log ends at `last`, as a reply tells. If that is before what replies had told, everything after `start` is new. A channel
   * may have announced later events of the same log already.
   */
  rewind(start: string, last: string): void {
    if (this.#read === undefined || compareIds(laterId(this.#read, this.#announced), last) <= 0) return;
    if (compareIds(this.#reached, last) > 0) {
      this.#read = start;
      this.#reached = start;
    } else this.#read = earlierId(this.#read, last);
    this.#handled = earlierId(this.#handled, this.#read);
    this.#announced = last;
  }

  /** Reads the log again, since it may have new events. */
  wake(): void {
    this.#hasNews = true;
    this.#news.notify();
  }

  /** Events were stored, of a topic that matches or not. */
  onLogged(first: string, last: string, isMatch: boolean): void {
    this.#announced = laterId(last, this.#announced);
    this.advance(isMatch ? idBefore(first) : last);
    if (isMatch) this.wake();
  }

  /** Buffers an ephemeral event, or counts it as dropped. */
  onEphemeral(event: TopicEvent): void {
    if (this.#isClosed || this.#read === undefined) return;
    this.#ephemeral.push({ after: this.#announced, event }, event.body.byteLength);
    this.#news.notify();
  }

  /** Skips events that do not match: a cursor that has read every match moves to `id`. */
  advance(id: string): void {
    if (this.#hasNews || this.#isReading || this.#read === undefined || compareIds(id, this.#read) <= 0) return;
    const isHandled = this.#handled === this.#read;
    this.#read = id;
    if (isHandled) this.#handled = id;
  }

  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#onClose();
      this.#pending?.resolve([]);
      this.#ephemeral.clear();
      this.#news.notify();
    }
    return Promise.resolve();
  }

  async #nextEvents(max: number): Promise<readonly TopicEvent[]> {
    while (!this.#isClosed) {
      if (this.#hasNews || this.#ephemeral.length > 0) {
        this.#isReading = true;
        const events = await this.#take(max).finally(() => {
          this.#isReading = false;
        });
        if (events.length > 0) return events;
        this.#handled = this.#read ?? this.#handled;
      } else await this.#news.wait();
    }
    return [];
  }

  /** The next events: those of the log, each followed by the ephemeral events that were published after it. */
  async #take(max: number): Promise<TopicEvent[]> {
    const events: TopicEvent[] = [];
    while (events.length < max && !this.#isClosed) {
      const ephemeral = this.#ephemeral.at(0);
      if (ephemeral !== undefined && compareIds(ephemeral.after, this.#read ?? START) <= 0) {
        this.#ephemeral.shift();
        events.push(ephemeral.event);
        continue;
      }
      if (ephemeral === undefined && (!this.#hasNews || events.length > 0)) break;
      await this.#readLog(ephemeral?.after, max - events.length, events);
    }
    return events;
  }

  async #readLog(upTo: string | undefined, max: number, events: TopicEvent[]): Promise<void> {
    if (upTo === undefined) this.#hasNews = false;
    const query = { after: this.#read ?? START, upTo, pattern: this.pattern, max };
    const page = await readLog(this.#client, query, Number.POSITIVE_INFINITY);
    if (page.isTrimmed) throw positionExpired();
    if (upTo === undefined && !page.isEnd) this.#hasNews = true;
    for (const { id, topic, key, envelope, body } of page.events) {
      const position = toPosition(this.#client.past.storeId, id);
      events.push({ ...toMessage(key, envelope, body), topic, position });
    }
    this.#read = page.reached;
    this.#reached = page.reached;
    this.#announced = laterId(page.reached, this.#announced);
  }
}
