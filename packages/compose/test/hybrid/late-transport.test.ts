// A transport that waits for its server: its listeners.
import { BusbarError } from '@busbar/api';
import { openMemory } from '@busbar/transport-memory';
import { expect, it, onTestFinished } from 'vitest';
import { LateTransport } from '../../src/hybrid/late-transport.ts';

it('opens its transport once, and reports listeners that throw or reject', async () => {
  const rejections: unknown[] = [];
  const note = (reason: unknown): void => void rejections.push(reason);
  process.on('unhandledRejection', note);
  onTestFinished(() => void process.off('unhandledRejection', note));
  const example = await openMemory();
  await example.close();
  let opened = 0;
  const open = (): ReturnType<typeof openMemory> => {
    opened += 1;
    return openMemory();
  };
  const late = new LateTransport('memory', open, example.capabilities, new BusbarError('UNAVAILABLE', 'away'));
  const heard: string[] = [];
  late.onFailure(({ work, error }) => heard.push(`${work}: ${error.message}`));
  late.onState(() => {
    throw new Error('it threw');
  });
  late.onState(() => Promise.reject(new Error('it rejected')));
  late.onState(({ state }) => heard.push(state));
  await expect.poll(() => heard.length).toBe(3);
  expect(heard.toSorted()).toEqual(['listener: it rejected', 'listener: it threw', 'open']);
  await late.close();
  expect([opened, rejections]).toEqual([1, []]);
});
