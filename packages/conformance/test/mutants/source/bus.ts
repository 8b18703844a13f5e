// Mutants of the bus and of what all drivers share.
import { mutantsOf, type SourceMutant } from './source-mutant.ts';

export const mutants: readonly SourceMutant[] = [
  ...mutantsOf('redis', 'api/src', [
    {
      name: 'sends replies without credit',
      file: 'driver-kit/calls/call-task.ts',
      find: 'while (this.#onTheWay >= CALL_WINDOW &&',
      replace: 'while (this.#onTheWay >= 9e9 * CALL_WINDOW &&',
      killedBy: 'R7',
    },
    {
      name: 'goes on with a call whose caller left',
      file: 'driver-kit/calls/call-task.ts',
      find: "if (left) this.leave('the caller left');",
      replace: 'if (left) return;',
      killedBy: 'R8',
    },
    {
      name: 'does not notice at a renewal that a lock is lost',
      file: 'bus/locks/lease-renewer.ts',
      find: "if (results[index]?.status !== 'touched') this.#lose(held);",
      replace: 'if (results[index] === undefined) this.#lose(held);',
      killedBy: 'W13',
    },
    {
      name: 'shares the reply queue of two durable requests',
      file: 'bus/requests/durable.ts',
      find: 'const queue = replyQueueOf(request.requester, id);',
      replace: 'const queue = replyQueueOf(request.requester, request.responder);',
      killedBy: 'R15',
    },
    {
      name: 'keeps the leases of a transport that closes',
      file: 'open/lease-tracker.ts',
      find: 'return [...this.#endsAt.keys()];',
      replace: 'return [];',
      killedBy: 'F9',
    },
    {
      name: 'gives a semaphore one permit more',
      file: 'bus/locks/lock-options.ts',
      find: 'Array.from({ length: permits }',
      replace: 'Array.from({ length: permits + 1 }',
      killedBy: 'W14',
    },
    {
      name: 'gives out a lock whose lease is over',
      file: 'bus/locks/lock-acquisition.ts',
      find: 'this.isLate = stored !== undefined && performance.now() >= until;',
      replace: 'this.isLate = false;',
      killedBy: 'W17',
    },
    {
      name: 'sends a message of a schedule with a new id',
      file: 'bus/schedules/firing.ts',
      find: 'key: new Date(plannedAt).toISOString()',
      replace: 'key: newId()',
      killedBy: 'L12',
    },
    {
      name: 'fires a missed time that is to be skipped',
      file: 'bus/schedules/firing.ts',
      find: "spec.missed === 'once' || now - plannedAt <= MISSED_AFTER_MS",
      replace: 'true',
      killedBy: 'L15',
    },
    {
      name: 'fires the first of several missed times',
      file: 'bus/schedules/firing.ts',
      find: '.latest(nextAt, now)',
      replace: '.latest(nextAt, nextAt)',
      killedBy: 'L15',
    },
  ]),
  ...mutantsOf('hub', 'api/src', [
    {
      name: 'an open subscription lets its process end',
      file: 'open/transport-internals.ts',
      find: 'if (keepsAlive) void keepAlive.during(live.ended);',
      replace: '',
      killedBy: 'F16',
    },
    {
      name: 'a receive that waits lets its process end',
      file: 'open/inflight-calls.ts',
      find: 'if (call.keepsAlive) this.#keepAlive.hold();',
      replace: '',
      killedBy: 'F16',
    },
    {
      name: 'lets a call go on that was aborted',
      file: 'open/calls.ts',
      find: 'void Promise.resolve(this.#replies?.return?.()).catch(() => undefined);',
      replace: '',
      killedBy: 'R8',
    },
  ]),
];
