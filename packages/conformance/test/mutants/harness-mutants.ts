// Mutants in one process: wrappers of the transport in memory, and clients of a simulated server.
import { type Harness, runCase, SUITE } from '@busbar/conformance';
import { harness } from '../../../transport-memory/test/harness.ts';
import { mutants as entries } from './entry-mutants.ts';
import { mutants as errors } from './error-mutants.ts';
import { type GateFaults, gatedHarness } from './gate.ts';
import type { Mutant } from './mutant.ts';
import type { MutantResult } from './mutant-result.ts';
import { mutants as queues } from './queue-mutants.ts';
import { mutants as settlements } from './settle-mutants.ts';
import { mutants as topics } from './topic-mutants.ts';

/** A mutant as a harness, and the harness without its fault. */
export interface HarnessMutant {
  readonly name: string;
  readonly killedBy: string;
  readonly broken: Harness;
  readonly intact: Harness;
}

const CLIENTS: readonly (readonly [name: string, faults: GateFaults, killedBy: string])[] = [
  ['loses what it acknowledged', { losesSends: true }, 'X2'],
  ['acknowledges what it could not send', { acknowledgesTooEarly: true }, 'C2'],
  ['stores a send that it reported as failed', { failsAndStores: true }, 'C2'],
  ['forgets delayed messages when its clients close', { forgetsDelayed: true }, 'U7'],
  ['forgets delayed messages with its server', { forgetsDelayed: true }, 'U8'],
  ['never wakes afterwards', { deafAfterwards: true }, 'C1'],
  ['subscribes twice', { subscribesTwice: true }, 'C1'],
  ['reconnects without delay', { storms: true }, 'C3'],
  ['reconnects after its close', { looksAfterClose: true }, 'C4'],
  ['does not close without its server', { closeHangs: true }, 'C4'],
  ['fails with another code', { wrongCode: true }, 'C8'],
  ['never ends a call', { hangs: true }, 'C8'],
  ['does not report the loss', { silent: true }, 'C11'],
];

/** Mutants of the transport in memory. */
export const transportMutants: readonly HarnessMutant[] = [
  ...[...queues, ...settlements, ...topics, ...entries, ...errors].map((mutant) => ({
    ...{ name: mutant.name, killedBy: mutant.killedBy },
    ...{ broken: wrapped(mutant), intact: harness },
  })),
  ...['E10', 'E11', 'E12'].map((killedBy) => ({
    ...{ name: `ignores its options (${killedBy})`, killedBy },
    ...{ broken: withoutOptions(), intact: harness },
  })),
];

/** Mutants of clients that lose their server. */
export const clientMutants: readonly HarnessMutant[] = CLIENTS.map(([name, faults, killedBy]) => ({
  ...{ name, killedBy },
  ...{ broken: gatedHarness(faults), intact: gatedHarness() },
}));

/** Runs a mutant, and the harness without its fault. */
export async function runHarnessMutant({ name, killedBy, broken, intact }: HarnessMutant): Promise<MutantResult> {
  const subject = SUITE.find(({ id }) => id === killedBy);
  if (subject === undefined) throw new Error(`there is no case ${killedBy}`);
  const result = { mutant: name, backend: 'memory', group: subject.group, case: killedBy };
  const mutated = await runCase(broken, subject);
  const correct = await runCase(intact, subject);
  if (correct.status !== 'passed') return { ...result, killed: false, reason: `without it: ${correct.reason}` };
  const killed = mutated.status === 'failed';
  return { ...result, killed, ...(mutated.reason !== undefined && { reason: mutated.reason }) };
}

function wrapped(mutant: Mutant): Harness {
  return {
    ...harness,
    async store() {
      const store = await harness.store();
      return { ...store, open: async () => mutant.mutate(await store.open()) };
    },
  };
}

function withoutOptions(): Harness {
  return {
    ...harness,
    async store() {
      const store = await harness.store();
      return { ...store, openWith: () => store.open() };
    },
  };
}
