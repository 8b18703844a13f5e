// Mutants of leases that have ended, and of messages that come due together.
import { mutantsOf, type SourceMutant } from './source-mutant.ts';

export const mutants: readonly SourceMutant[] = [
  ...mutantsOf('redis', 'api/src', [
    {
      name: 'counts a lease from the answer to its claim',
      file: 'bus/consuming/delivery-leases.ts',
      find: 'this.endsAt = leaseEndsAt ?? now + leaseLeftMs;',
      replace: 'this.endsAt = Math.max(leaseEndsAt ?? 0, now + leaseLeftMs);',
      killedBy: 'I11',
    },
  ]),
  ...mutantsOf('nats', 'api/src', [
    {
      name: 'looks at no lease before a handler begins',
      file: 'bus/consuming/delivery-leases.ts',
      find: 'return lease.isOver || performance.now() >= lease.endsAt ? this.#confirm(lease) : undefined;',
      replace: 'return lease.isOver ? this.#confirm(lease) : undefined;',
      killedBy: 'I13',
    },
  ]),
  ...mutantsOf('hub', 'api/src', [
    {
      name: 'says only how long a lease lasts, not when it ends',
      file: 'open/pending-receives.ts',
      find: 'delivery.leaseEndsAt ??= from + delivery.leaseLeftMs;',
      replace: 'void from;',
      killedBy: 'I11',
    },
    {
      name: 'looks at no lease before a handler begins',
      file: 'bus/consuming/delivery-leases.ts',
      find: 'return lease.isOver || performance.now() >= lease.endsAt ? this.#confirm(lease) : undefined;',
      replace: 'return lease.isOver ? this.#confirm(lease) : undefined;',
      killedBy: 'I13',
    },
  ]),
  ...mutantsOf('sqlite', 'transport-sqlite/src', [
    {
      name: 'settles the lease of the next worker with an old receipt',
      file: 'queues/settle.ts',
      find: 'run?.token !== lease.token || run.queueId',
      replace: 'run === undefined || run.queueId',
      killedBy: 'I12',
    },
    {
      name: 'renews a lease that another worker has',
      file: 'queues/settle.ts',
      find: "if (held === undefined) return { receipt, status: 'lease-lost' };",
      replace:
        "if (held === undefined) return settlement.action === 'extend' ? { receipt, status: 'done', leaseLeftMs: 1_000 } : { receipt, status: 'lease-lost' };",
      killedBy: 'I13',
    },
    {
      name: 'delayed messages come due in steps of a second',
      file: 'queues/insert.ts',
      find: 'return delayMs > 0 ? Math.ceil(now + delayMs) : now;',
      replace: 'return delayMs > 0 ? 1_000 * Math.ceil((now + delayMs) / 1_000) : now;',
      killedBy: 'L9',
    },
  ]),
  ...mutantsOf('redis', 'transport-redis/src', [
    {
      name: 'settles the lease of the next worker with an old receipt',
      file: 'lua/queues.ts',
      find: 'local isOwn = lease and not isSettled[key] and string.find(lease, token, 1, true) == 1',
      replace: 'local isOwn = lease and not isSettled[key]',
      killedBy: 'I12',
    },
    {
      name: 'renews a lease that another worker has',
      file: 'lua/queues.ts',
      find: "if not isOwn or (ends and (not ends[i] or tonumber(ends[i]) <= now)) then\n    results[i] = 'l'",
      replace:
        "if not isOwn or (ends and (not ends[i] or tonumber(ends[i]) <= now)) then\n    results[i] = action == 'e' and 'd' or 'l'",
      killedBy: 'I13',
    },
    {
      name: 'delayed messages that are due come last first',
      file: 'lua/queue-state.ts',
      find: "'delayed:' .. name, '-inf', now, 'BYSCORE', 'LIMIT', 0, STEP)",
      replace: "'delayed:' .. name, now, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, STEP)",
      killedBy: 'L9',
    },
  ]),
  ...mutantsOf('nats', 'transport-nats/src', [
    {
      name: 'settles the lease of the next worker with an old receipt',
      file: 'queues/settle.ts',
      find: 'if (lease?.r !== receipt.r || leftMs <= 0) return undefined;',
      replace: 'if (lease === undefined) return undefined;',
      killedBy: 'I12',
    },
    {
      name: 'delayed messages come due in steps of a second',
      file: 'queues/delayed.ts',
      find: 'Math.min(dueAt - clock.now, expiresAt - clock.store.now)',
      replace: '1_000 * Math.ceil(Math.min(dueAt - clock.now, expiresAt - clock.store.now) / 1_000)',
      killedBy: 'L9',
    },
  ]),
];
