/** Begins flows: stores a parent that waits, and sends its children. */

import type { CallOptions } from '../../contract/call-options.ts';
import { requireFeature } from '../../contract/capabilities.ts';
import { BusbarError, invalid, toBusbarError } from '../../contract/errors.ts';
import { newId } from '../../contract/id.ts';
import type { MessageInput } from '../../contract/message.ts';
import type { SendResult } from '../../contract/queues.ts';
import type { Transport } from '../../contract/transport.ts';
import type { Origin } from '../messages/causation.ts';
import { toBounds } from '../messages/message-options.ts';
import { type BusRuntime, toStored } from '../runtime.ts';
import { toQueueDefinition } from '../tasks/enqueue-options.ts';
import type { TaskHandle } from '../tasks/task-handle.ts';
import type { Tasks } from '../tasks/tasks.ts';
import { cancelWaiting } from './cancel-waiting.ts';
import { childId, type FlowRef } from './flow-id.ts';
import { checkFlow, checkMsOf, type Flow, type FlowTask } from './flow-options.ts';
import { FlowStore, type PlannedChild } from './flow-record.ts';
import { sendChildren } from './send-children.ts';

/** A task with children, whose messages are ready to be sent. */
interface PlannedFlow {
  readonly flow: FlowRef;
  readonly task: FlowTask;
  readonly children: readonly (PlannedChild & { readonly own: PlannedFlow | undefined })[];
}

/** The children of one flow, at all levels, inside their middleware. */
interface Sending {
  readonly origin: Origin;
  /** Resolves when they are sent. Their middleware then goes on. */
  readonly sent: Promise<SendResult['status']>;
  /** What the children were put by. */
  readonly puts: Promise<TaskHandle>[];
}

/** The flows that one bus begins. */
export class Flows {
  readonly #runtime: BusRuntime;
  readonly #transport: Transport;
  readonly #tasks: Tasks;
  readonly #store: FlowStore;

  constructor(runtime: BusRuntime, tasks: Tasks) {
    this.#runtime = runtime;
    this.#transport = runtime.transport;
    this.#tasks = tasks;
    this.#store = new FlowStore(runtime.transport);
  }

  /** Resolves with the handle of the parent when all tasks are stored. */
  async begin(origin: Origin, flow: Flow): Promise<TaskHandle> {
    requireFeature(this.#transport.capabilities, 'cancel');
    checkFlow(flow);
    const run = newId().slice(-8);
    const part = { run, delayMs: checkMsOf(flow) };
    return this.#tasks.put(origin, flow, part, (input) => this.#send(origin, flow, { parent: input.id, run }, input));
  }

  /** Stores the parent, and then its children. The parent stands for the flow: from then on the flow goes on without this process. */
  async #send(origin: Origin, task: Flow, flow: FlowRef, input: MessageInput): Promise<SendResult[]> {
    const { promise: sent, resolve, reject } = Promise.withResolvers<SendResult['status']>();
    const puts: Promise<TaskHandle>[] = [];
    sent.catch(() => undefined); // A flow that is refused may have no child that waits for it.
    try {
      const planned = await this.#plan({ origin, sent, puts }, task, flow);
      const result = await this.#sendParent(planned, input);
      if (result.status === 'stored') await this.#sendAll(planned);
      else await this.#delete(planned, toBounds(task.options));
      resolve(result.status);
      await Promise.all(puts);
      return [result];
    } catch (error) {
      reject(error);
      await Promise.allSettled(puts);
      throw error;
    }
  }

  /** Leaves no record of a flow whose parent is not stored. */
  async #sendParent(planned: PlannedFlow, input: MessageInput): Promise<SendResult> {
    const { queue, options } = planned.task;
    const bounds = toBounds(options);
    try {
      await this.#create(planned, bounds);
      const name = toQueueDefinition(queue).queue;
      return toStored((await this.#transport.queues.send(name, [input], bounds))[0]);
    } catch (error) {
      if (toBusbarError(error).outcome !== 'unknown') await this.#delete(planned, bounds).catch(() => undefined);
      throw error;
    }
  }

  /** Runs the middleware of all children up to their send. */
  async #plan(sending: Sending, task: FlowTask, flow: FlowRef): Promise<PlannedFlow> {
    const { children = [] } = task;
    return {
      flow,
      task,
      children: await Promise.all(children.map((one, at) => this.#planOne(sending, one, flow, at))),
    };
  }

  #planOne(sending: Sending, task: FlowTask, flow: FlowRef, index: number): Promise<PlannedFlow['children'][number]> {
    const { promise, resolve, reject } = Promise.withResolvers<PlannedFlow['children'][number]>();
    const { queue } = toQueueDefinition(task.queue);
    const { run } = flow;
    const id = childId(queue, flow, index);
    const isParent = task.children !== undefined && task.children.length > 0;
    const part = isParent ? { id, run, delayMs: checkMsOf(task) } : { id };
    const put = this.#tasks.put(sending.origin, task, part, async (input) => {
      const own = isParent ? await this.#plan(sending, task, { parent: id, run }) : undefined;
      resolve({ queue, input, own });
      return [{ id, status: await sending.sent }];
    });
    sending.puts.push(put);
    put.then(() => reject(invalid(`middleware did not send child ${index}`, 'A step calls next.')), reject);
    return promise;
  }

  async #create({ flow, task, children }: PlannedFlow, bounds: CallOptions): Promise<void> {
    for (const { own } of children) if (own !== undefined) await this.#create(own, bounds);
    const { onChildFailure = 'fail' } = task;
    const parents = children.flatMap(({ own }, index) => (own === undefined ? [] : [index]));
    await this.#store.create(flow, { onChildFailure, checkMs: checkMsOf(task), parents }, children, bounds);
  }

  async #delete({ flow, children }: PlannedFlow, bounds: CallOptions): Promise<void> {
    await this.#store.delete(flow, bounds);
    for (const { own } of children) if (own !== undefined) await this.#delete(own, bounds);
  }

  /** Cancels the flow if its children cannot be sent. */
  async #sendAll(planned: PlannedFlow): Promise<void> {
    const bounds = toBounds(planned.task.options);
    try {
      await this.#sendTree(planned, bounds);
    } catch (thrown) {
      const error = toBusbarError(thrown);
      const reason = `its children could not be sent: ${error.message}`.slice(0, 2000);
      const isCancelled = await cancelWaiting(this.#runtime, planned.flow.parent, { ...bounds, reason }).catch(
        () => false,
      );
      if (isCancelled) throw error;
      throw new BusbarError(error.code, `the flow was stored, and not all of its children: ${error.message}`, {
        outcome: 'unknown',
        retryable: error.retryable,
        cause: error,
        hint: 'A worker of the parent’s queue sends the others later. Look at the task of the parent.',
      });
    }
  }

  async #sendTree({ flow, children }: PlannedFlow, bounds: CallOptions): Promise<void> {
    await sendChildren(this.#transport, flow, children, bounds);
    for (const { own } of children) if (own !== undefined) await this.#sendTree(own, bounds);
  }
}
