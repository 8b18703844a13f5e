/** The main program of every process of the demonstration. */

import { onParentMessage, sendToParent } from '@busbar/testbed';
import { type Bus, connect } from 'busbar';
import type { ProcessConfig } from './process-config.ts';
import type { Order, ProcessEvent } from './process-event.ts';

/** What a role works with. */
export interface RoleContext {
  readonly config: ProcessConfig;
  readonly bus: Bus;
  /** Resolves once the event has left this process: a SIGKILL after that does not lose it. */
  report(event: ProcessEvent): Promise<void>;
}

/** Handlers of orders, by kind. */
export type OrderHandlers = Partial<Record<Order['kind'], (order: Order) => Promise<void>>>;

/** How often a process reports its traffic: a kill loses what it has not reported. */
const TRAFFIC_MS = 200;

/** Runs a role until the parent sends SIGTERM or ends. */
export async function runRole(start: (context: RoleContext) => Promise<OrderHandlers | undefined>): Promise<void> {
  // A terminal sends Ctrl-C to the whole group; the parent ends this process.
  process.on('SIGINT', () => undefined);
  const config = JSON.parse(process.argv[2] ?? '{}') as ProcessConfig;
  const report = (event: ProcessEvent): Promise<void> => sendToParent(event);
  const bus = await connect(config.bus, {
    ns: config.ns,
    onError: ({ error, place }) => void report({ kind: 'trouble', text: `${config.name}: ${place}: ${error.message}` }),
  });
  process.once('SIGTERM', () => void bus.close().finally(() => process.exit()));
  const handlers = await start({ config, bus, report });
  const reportTraffic = (): void => {
    const sent = Object.fromEntries((bus.transport.parts ?? []).map((part) => [part.role, part.sent]));
    if (Object.keys(sent).length > 0) void report({ kind: 'traffic', by: config.name, sent });
  };
  setInterval(reportTraffic, TRAFFIC_MS).unref();
  onParentMessage<Order>(async (order) => {
    await handlers?.[order.kind]?.(order);
    if (order.kind !== 'flush') return;
    reportTraffic();
    await report({ kind: 'ready' });
  });
  await report({ kind: 'ready' });
}
