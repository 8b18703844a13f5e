/** `busbar schedule serve`: fires the schedules of the bus. */

import { BusbarError, invalid } from '@busbar/api/transport';
import { DONE } from '../output/exit-codes.ts';
import type { ScheduleInvocation } from './schedule-flags.ts';

/** Fires schedules until the command is interrupted. What it fires ends first. */
export async function serve({ args: [, extra], session }: ScheduleInvocation): Promise<number> {
  const { out, signal } = session;
  if (extra !== undefined) throw invalid('serve takes no name', 'It fires all schedules of the bus.');
  session.createsBus();
  const transport = await session.transport();
  const over = Promise.withResolvers<void>();
  const stop = transport.onState(({ state, error }) => {
    if (state === 'closed') over.reject(error ?? new BusbarError('CLOSED', 'the transport was closed'));
  });
  signal.addEventListener('abort', () => over.resolve(), { once: true });
  if (signal.aborted) over.resolve();
  const scheduler = (await session.bus()).schedules.start();
  out.note('busbar: fires schedules, or waits until the process that does has ended');
  try {
    await over.promise;
  } finally {
    stop();
    await scheduler.close();
  }
  return DONE;
}
