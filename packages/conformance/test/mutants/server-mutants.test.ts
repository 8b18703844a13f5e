// Each mutant of server loss fails its named case, and a correct client passes it.
import { runCase, SUITE } from '@busbar/conformance';
import { describe, expect, test } from 'vitest';
import { type GateFaults, gatedHarness } from './gate.ts';

const mutants: readonly (readonly [name: string, faults: GateFaults, killedBy: string])[] = [
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

describe.concurrent('mutants of a lost server', () => {
  for (const [name, faults, killedBy] of mutants) {
    test(`a mutant that ${name} is killed by ${killedBy}`, { timeout: 120_000 }, async () => {
      const subject = SUITE.find(({ id }) => id === killedBy);
      if (subject === undefined) throw new Error(`there is no case ${killedBy}`);
      const { status, reason } = await runCase(gatedHarness(faults), subject);
      expect({ status, reason }).toMatchObject({ status: 'failed' });
    });
  }
  for (const id of new Set(mutants.map(([, , killedBy]) => killedBy))) {
    test(`a correct client passes ${id}`, { timeout: 120_000 }, async () => {
      const subject = SUITE.find((one) => one.id === id);
      if (subject === undefined) throw new Error(`there is no case ${id}`);
      expect(await runCase(gatedHarness(), subject)).toMatchObject({ status: 'passed' });
    });
  }
});
