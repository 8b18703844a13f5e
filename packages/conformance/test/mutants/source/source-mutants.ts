// All source mutants.
import { mutants as bus } from './bus.ts';
import { mutants as hub } from './hub.ts';
import { mutants as hybrid } from './hybrid.ts';
import { mutants as lateLeases } from './late-leases.ts';
import { mutants as memory } from './memory.ts';
import { mutants as migrate } from './migrate.ts';
import { mutants as nats } from './nats.ts';
import { mutants as outputs } from './outputs.ts';
import { mutants as redis } from './redis.ts';
import type { SourceMutant } from './source-mutant.ts';
import { mutants as sqlite } from './sqlite.ts';
import { mutants as storeLosses } from './store-losses.ts';
import { mutants as tasks } from './tasks.ts';

export const sourceMutants: readonly SourceMutant[] = [
  ...memory,
  ...sqlite,
  ...redis,
  ...nats,
  ...hub,
  ...hybrid,
  ...migrate,
  ...bus,
  ...tasks,
  ...storeLosses,
  ...lateLeases,
  ...outputs,
];
