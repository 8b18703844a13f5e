import { expect, test } from 'vitest';
import { describeMachine } from '../src/report/machine.ts';

test('the machine is described in words and numbers', () => {
  const machine = describeMachine();
  expect(machine.cpu).not.toBe('');
  expect(Math.min(machine.cores, machine.memoryGiB)).toBeGreaterThan(0);
  expect(machine.node).toBe(process.versions.node);
});
