/**
 * The fence of a closed store. Its streams give up the subjects of all writes, and a stream that stores nothing holds them. The
 * server gives a subject to one stream only. So a late change of a stream, by a process that was stopped, cannot open the store.
 */

import { BusbarError } from '@busbar/api/transport';
import type { Names } from '../connection/names.ts';
import type { Bounds } from '../connection/request-inbox.ts';
import type { ServerRequests } from '../connection/server-requests.ts';
import { ignoreRefusalOf, ServerRefusal } from '../errors.ts';
import { configOf, streamSubjects } from './stream-subjects.ts';

const NAME_IN_USE = 10_058;
const NO_STREAM = 10_059;
const OVERLAP = 10_065;
const MAX_TRIES = 20;
const REMOVE_MS = 10_000;

interface StreamInfo {
  readonly config: Readonly<Record<string, unknown>> & {
    readonly subjects?: readonly string[];
    readonly num_replicas: number;
  };
}

export class Fence {
  readonly #requests: ServerRequests;
  readonly #names: Names;
  #flushing: Promise<void> | undefined;

  constructor(requests: ServerRequests, names: Names) {
    this.#requests = requests;
    this.#names = names;
  }

  /**
   * Closes the store. Resolves when nothing is stored any more but imports at this revision of the gate. `last`: the fence before
   * this one, which a process may have left.
   */
  async close(fence: number, revision: number, last: number | undefined, context?: Bounds): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      await this.admit(revision, context);
      if (await this.#hold(fence, context)) break;
      // A late change has opened a stream, or the last fence is still there.
      if (last !== undefined && last !== fence) await this.remove(this.#names.fence(last), context);
      if (tries === MAX_TRIES) throw new BusbarError('UNAVAILABLE', 'other clients change the streams meanwhile');
    }
    await this.#flush(revision, context);
  }

  /** Resolves when the streams have stored all that they had taken before. Calls at once share the work. */
  flush(revision: number, context?: Bounds): Promise<void> {
    this.#flushing ??= this.#flush(revision, context).finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  /** Lets the streams of a closed store take imports at this revision of the gate only. */
  async admit(revision: number, context?: Bounds): Promise<void> {
    await this.#update(revision, context);
  }

  /** Opens the store. Does nothing where another fence holds it. */
  async open(fence: number | undefined, context?: Bounds): Promise<void> {
    if (fence !== undefined) await this.remove(this.#names.fence(fence), context);
    await this.#update(undefined, context);
  }

  async #update(revision: number | undefined, context?: Bounds): Promise<void> {
    await Promise.all(
      streamSubjects(this.#names).map(async (each) => {
        const { config } = await this.#requests.api<StreamInfo>(`STREAM.INFO.${each.stream}`, undefined, context);
        const wanted = configOf(this.#names, each, revision);
        if (String(config.subjects) === String(wanted.subjects)) return;
        const next = { ...config, subject_transform: undefined, ...wanted };
        await this.#requests.api(`STREAM.UPDATE.${each.stream}`, next, context).catch(ignoreRefusalOf(OVERLAP));
      }),
    );
  }

  /** Holds the subjects of all writes; false where a stream has some. */
  async #hold(fence: number, context?: Bounds): Promise<boolean> {
    const { queues } = this.#names;
    const { config } = await this.#requests.api<StreamInfo>(`STREAM.INFO.${queues}`, undefined, context);
    const name = this.#names.fence(fence);
    const request = {
      ...{ name, subjects: streamSubjects(this.#names).flatMap(({ writes }) => writes) },
      ...{ retention: 'limits', storage: 'file', num_replicas: config.num_replicas },
      ...{ discard: 'new', max_msgs: 1, max_bytes: 1, max_msg_size: 1 },
    };
    try {
      await this.#requests.api(`STREAM.CREATE.${name}`, request, context);
      return true;
    } catch (error) {
      if (error instanceof ServerRefusal && error.refusal === OVERLAP) return false;
      ignoreRefusalOf(NAME_IN_USE)(error);
      return true;
    }
  }

  /** Removes the fence with this name. */
  async remove(name: string, context?: Bounds): Promise<void> {
    const bounds = { ...(context ?? { deadline: performance.now() + REMOVE_MS }), isCheck: true };
    await this.#requests.api(`STREAM.DELETE.${name}`, undefined, bounds).catch(ignoreRefusalOf(NO_STREAM));
  }

  async #flush(revision: number, context?: Bounds): Promise<void> {
    await Promise.all(
      streamSubjects(this.#names).map(async ({ stream, part, root }) => {
        await this.#requests.publish(`${this.#names.imports(revision)}.${part}.z`, '', {}, context);
        await this.#requests.api(`STREAM.PURGE.${stream}`, { filter: `${root}.z` }, context);
      }),
    );
  }
}
