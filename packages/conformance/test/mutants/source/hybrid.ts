// Mutants of the hybrid: urgent messages are on its fast part.
import { mutantsOf, type SourceMutant } from './source-mutant.ts';

export const mutants: readonly SourceMutant[] = mutantsOf('hybrid', 'compose/src', [
  {
    name: 'a route loses a priority',
    file: 'hybrid/queues/queues.ts',
    find: 'await side.queues.send(queue, messages, create, context)',
    replace: 'await side.queues.send(queue, messages.map((one) => ({ ...one, priority: 4 })), create, context)',
    killedBy: 'Q1',
  },
  {
    name: 'a receive takes one part after the other',
    file: 'hybrid/queues/shared-queue.ts',
    find: 'other.delivery.priority - one.delivery.priority || ',
    replace: '',
    killedBy: 'Q1',
  },
  {
    name: 'a receive leases twice',
    file: 'hybrid/queues/shared-queue.ts',
    find: 'this.#release(leased.splice(max));',
    replace: 'leased.splice(max);',
    killedBy: 'Q1',
  },
  {
    name: 'a receive waits on one part only',
    file: 'hybrid/queues/shared-queue.ts',
    find: 'if (!asksAside) this.#watch(receiver.max);',
    replace: '',
    killedBy: 'Q7',
  },
  {
    name: 'keeps to itself that a part lost its data',
    file: 'hybrid/sides.ts',
    find: 'for (const listener of this.#resetListeners) listener(reset);',
    replace: 'void reset;',
    killedBy: 'X13',
  },
]);
