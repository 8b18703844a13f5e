// Mutants of the transport in memory.
import { mutantsOf, type SourceMutant } from './source-mutant.ts';

export const mutants: readonly SourceMutant[] = mutantsOf('memory', 'transport-memory/src', [
  {
    name: 'gives out messages of a paused queue',
    file: 'queues/queue.ts',
    find: '    if (this.settings.paused) return deliveries;\n',
    replace: '',
    killedBy: 'B9',
  },
  {
    name: 'a closed store still acks',
    file: 'memory-driver.ts',
    find: 'async settle(settlements) {\n      namespace.gate.check();',
    replace: 'async settle(settlements) {',
    killedBy: 'J25',
  },
  {
    name: 'an unbind forgets the gate',
    file: 'memory-driver.ts',
    find: 'async unbind(queue, pattern) {\n      namespace.gate.check();',
    replace: 'async unbind(queue, pattern) {',
    killedBy: 'J25',
  },
  {
    name: 'leases outlive the closing of the store',
    file: 'namespace.ts',
    find: 'for (const queue of this.queues.values()) queue.endLeases();',
    replace: '',
    killedBy: 'J26',
  },
  {
    name: 'a gate that was renewed falls back at its first time',
    file: 'gate.ts',
    find: 'this.#timers.set(this.#fallback, gate.until);\n    if (gate.revision === before.revision) return;',
    replace: 'if (gate.revision === before.revision) return;\n    this.#timers.set(this.#fallback, gate.until);',
    killedBy: 'J21',
  },
]);
