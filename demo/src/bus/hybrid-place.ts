/** A hybrid in temporary data of the run: its fast part is a server that the run kills. */

import type { TempDir } from '@busbar/testbed';
import { UsageError } from '../options.ts';
import { type Server, startServer } from './server.ts';

const HYBRID = 'hybrid:?';

/** Whether `bus` is the URL of a hybrid. */
export function isHybrid(bus: string): boolean {
  return bus.startsWith(HYBRID);
}

/** Starts the fast part of the hybrid at `url`; `file` is the durable part. Throws {@link UsageError} for other parts. */
export async function placeHybrid(
  folder: TempDir,
  url: string,
  file: string,
): Promise<{ readonly bus: string; readonly server: Server }> {
  const parameters = new URLSearchParams(url.slice(HYBRID.length));
  if (parameters.get('durable') !== 'sqlite') {
    throw new UsageError('--kill-server uses temporary data only', 'Write hybrid:?fast=redis&durable=sqlite.');
  }
  const server = await startServer(folder, parameters.get('fast') ?? '');
  parameters.set('fast', server.url);
  parameters.set('durable', file);
  return { bus: `${HYBRID}${parameters}`, server };
}
