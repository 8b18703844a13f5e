/** A hybrid in temporary data of the run, with or without an audit: its fast part is a server that the run kills. */

import type { TempDir } from '@busbar/testbed';
import { UsageError } from '../options.ts';
import { type Server, startServer } from './server.ts';

const HYBRID = 'hybrid:?';
const AUDIT = 'audit:?';

/** Whether `bus` is the URL of a hybrid, or of an audited one. */
export function isHybrid(bus: string): boolean {
  return bus.startsWith(HYBRID) || (isAudited(bus) && auditedBy(bus).startsWith(HYBRID));
}

/** Whether `bus` is the URL of an audited bus. */
export function isAudited(bus: string): boolean {
  return bus.startsWith(AUDIT);
}

/** A hybrid whose parts are there. */
interface PlacedHybrid {
  readonly bus: string;
  readonly server: Server;
}

/** Starts the fast part of the hybrid at `url`; `file` is the durable part. Throws {@link UsageError} for other parts. */
export async function placeHybrid(folder: TempDir, url: string, file: string): Promise<PlacedHybrid> {
  if (isAudited(url)) return placeAudited(folder, url, file);
  const parameters = new URLSearchParams(url.slice(HYBRID.length));
  if (parameters.get('durable') !== 'sqlite') {
    throw new UsageError('--kill-server uses temporary data only', 'Write hybrid:?fast=redis&durable=sqlite.');
  }
  const server = await startServer(folder, parameters.get('fast') ?? '');
  parameters.set('fast', server.url);
  parameters.set('durable', file);
  return { bus: `${HYBRID}${parameters}`, server };
}

/** The log stays where the URL says. */
async function placeAudited(folder: TempDir, url: string, file: string): Promise<PlacedHybrid> {
  const { bus, server } = await placeHybrid(folder, auditedBy(url), file);
  const parameters = new URLSearchParams(url.slice(AUDIT.length));
  parameters.set('of', bus);
  return { bus: `${AUDIT}${parameters}`, server };
}

function auditedBy(url: string): string {
  return new URLSearchParams(url.slice(AUDIT.length)).get('of') ?? '';
}
