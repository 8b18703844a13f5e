/** Which agent uses each reply queue. A durable request has a reply queue of its own. */

const PREFIX = '$reply.';
const MAX_QUEUES = 100_000;

/** The users of the reply queues of one namespace. */
export class ReplyQueues {
  /** The agent of the first client that used the queue; undefined for a client without limits. */
  readonly #owners = new Map<string, string | undefined>();

  /** Records that a client of `agent` uses `queue`, unless another does. */
  use(queue: unknown, agent: string | undefined): void {
    if (typeof queue !== 'string' || !queue.startsWith(PREFIX) || this.#owners.has(queue)) return;
    this.#owners.set(queue, agent);
    if (this.#owners.size > MAX_QUEUES) this.#owners.delete(this.#owners.keys().next().value ?? '');
  }

  /** Whether `queue` is a reply queue that no client other than those of `agent` uses. */
  isOwner(queue: string, agent: string): boolean {
    if (!queue.startsWith(PREFIX)) return false;
    return !this.#owners.has(queue) || this.#owners.get(queue) === agent;
  }
}
