// Every way to get the loss of a server wrong is noticed by the case that is named, and a client that gets it right passes.
import { runCase, SUITE } from '@busbar/conformance';
import { describe, expect, test } from 'vitest';
import { type GateFaults, gatedHarness } from './gate.ts';

const mutants: readonly (readonly [name: string, faults: GateFaults, killedBy: string])[] = [
  ['loses what it acknowledged', { losesSends: true }, 'X2'],
  ['acknowledges what it could not send', { acknowledgesTooEarly: true }, 'C2'],
  ['stores what it said had failed', { failsAndStores: true }, 'C2'],
  ['is deaf afterwards', { deafAfterwards: true }, 'C1'],
  ['subscribes twice', { subscribesTwice: true }, 'C1'],
  ['tries as often as it can', { storms: true }, 'C3'],
  ['looks for its server when it is closed', { looksAfterClose: true }, 'C4'],
  ['does not close without its server', { closeHangs: true }, 'C4'],
  ['fails with another code', { wrongCode: true }, 'C8'],
  ['never ends a call', { hangs: true }, 'C8'],
  ['says nothing of the loss', { silent: true }, 'C11'],
];

describe.concurrent('mutants of a lost server', () => {
  for (const [name, faults, killedBy] of mutants) {
    test(`one that ${name} is killed by ${killedBy}`, { timeout: 120_000 }, async () => {
      const subject = SUITE.find(({ id }) => id === killedBy);
      if (subject === undefined) throw new Error(`there is no case ${killedBy}`);
      const { status, reason } = await runCase(gatedHarness(faults), subject);
      expect({ status, reason }).toMatchObject({ status: 'failed' });
    });
  }
  for (const id of new Set(mutants.map(([, , killedBy]) => killedBy))) {
    test(`one that gets it right passes ${id}`, { timeout: 120_000 }, async () => {
      const subject = SUITE.find((one) => one.id === id);
      if (subject === undefined) throw new Error(`there is no case ${id}`);
      expect(await runCase(gatedHarness(), subject)).toMatchObject({ status: 'passed' });
    });
  }
});
