// The opener of clients in other processes.
import { BusbarError, type Transport } from '@busbar/api/transport';
import { openMemory } from '@busbar/transport-memory';

export const module = import.meta.url;

export async function openHere(argument: unknown): Promise<Transport> {
  if (argument === 'refuse') throw new BusbarError('PERMISSION_DENIED', 'not you', { hint: 'Ask.' });
  return openMemory();
}

export function addTo(transport: Transport, argument: unknown): string {
  return `${transport.name} and ${argument}`;
}

export function clocks(): { date: number; now: number; monotonic: number } {
  return {
    date: Date.parse(new Date().toISOString()),
    now: Date.now(),
    monotonic: performance.timeOrigin + performance.now(),
  };
}

export async function leaveTimer(): Promise<void> {
  setTimeout(() => undefined, 60_000).unref();
}
