// Mutants of stores that come back with less: what drivers notice, and what a live bus does about it.
import { mutantsOf, type SourceMutant } from './source-mutant.ts';

export const mutants: readonly SourceMutant[] = [
  ...mutantsOf('sqlite', 'transport-sqlite/src', [
    {
      name: 'watches forget which keys were there before a loss',
      file: 'kv/watch.ts',
      find: 'this.#missing = new Set([...(this.#missing ?? []), ...this.#present.keys()]);',
      replace: 'this.#missing = new Set(this.#missing ?? []);',
      killedBy: 'X12',
    },
    {
      name: 'cursors do not go on over the present file',
      file: 'wakeup/cursor-set.ts',
      find: 'for (const cursor of this) cursor.reset();',
      replace: 'for (const cursor of this) void cursor;',
      killedBy: 'X12',
    },
    {
      name: 'a restored file gives tokens a second time',
      file: 'connection/transaction.ts',
      find: 'counters.revision = Math.max(counters.revision + 1, this.#timeUs());',
      replace: 'counters.revision += 1;',
      killedBy: 'X14',
    },
  ]),
  ...mutantsOf('redis', 'transport-redis/src', [
    {
      name: 'notices no other incarnation',
      file: 'connection/store-past.ts',
      find: 'this.#watch.observe({ incarnation: this.#incarnation, counter });',
      replace: 'this.#watch.confirm(counter);',
      killedBy: 'X12',
    },
    {
      name: 'goes by its own mark, not by that of the store',
      file: 'connection/store-past.ts',
      find: 'const counter = isForgotten ? this.#confirmed : Number(ownMark);',
      replace: 'const counter = isForgotten ? this.#confirmed : Math.max(Number(ownMark), this.#confirmed);',
      killedBy: 'X14',
    },
  ]),
  ...mutantsOf('nats', 'transport-nats/src', [
    {
      name: 'revisions of new streams begin at the first sequence',
      file: 'connection/store-header.ts',
      find: 'raiseRevisions(requests, names, Math.floor(clock.late * 1_000), checkBounds())',
      replace: 'raiseRevisions(requests, names, 1, checkBounds())',
      killedBy: 'X12',
    },
    {
      name: 'does not compare sequences with those that were confirmed',
      file: 'connection/store-header.ts',
      find: '(confirmed.get(stream) ?? 0) > seq',
      replace: '(confirmed.get(stream) ?? 0) < 0 * seq',
      killedBy: 'X14',
    },
    {
      name: 'watches do not look at the present keys after a loss',
      file: 'nats-driver.ts',
      find: 'await this.#watches.catchUp();',
      replace: '',
      killedBy: 'X12',
    },
  ]),
  ...mutantsOf('hub', 'transport-socket/src', [
    {
      name: 'a client does not compare the store with the one before',
      file: 'client/hub-client.ts',
      find: 'if (welcome.past !== undefined) this.#storeWatch.observe(welcome.past);',
      replace: '',
      killedBy: 'X13',
    },
    {
      name: 'a client hears of no later counter',
      file: 'client/hub-client.ts',
      find: 'if (this.#lastReset !== known) this.#reportReset();',
      replace: 'if (this.#lastReset === known) this.#reportReset();',
      killedBy: 'X14',
    },
  ]),
  ...mutantsOf('redis', 'api/src', [
    {
      name: 'a live bus declares nothing again',
      file: 'bus/declarations.ts',
      find: 'for (const declare of this.#all.keys()) void this.#redeclare(declare, reset);',
      replace: 'for (const declare of this.#all.keys()) void declare;',
      killedBy: 'X13',
    },
    {
      name: 'a bus reports each declaration as a loss',
      file: 'bus/declarations.ts',
      find: 'await declare(reset);\n        return;',
      replace:
        "await declare(reset);\n        this.#report(new BusbarError('DATA_LOSS', 'again'), { kind: 'store' });\n        return;",
      killedBy: 'X13',
    },
  ]),
  ...mutantsOf('sqlite', 'api/src', [
    {
      name: 'a loss of the store leaves locks as they were',
      file: 'bus/locks/locks.ts',
      find: "runtime.declarations.add({ kind: 'lock' }, () => this.#renewer.renewAll());",
      replace: '',
      killedBy: 'X13',
    },
  ]),
];
