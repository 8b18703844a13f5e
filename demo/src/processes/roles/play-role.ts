/** What all processes of the demonstration have in common. */

import { onParentMessage, sendToParent } from '@busbar/testbed';
import { type Bus, connect } from 'busbar';
import type { Brief } from '../process-config.ts';
import type { News, Order } from '../process-event.ts';

/** What a role has at hand. */
export interface Stage {
  readonly brief: Brief;
  readonly bus: Bus;
  /** Resolves once the news has left, so that it survives a kill right after. */
  tell(news: News): Promise<void>;
}

/** Plays a role until the parent sends SIGTERM or ends. `orders` says what is done on which order. */
export async function playRole(
  play: (stage: Stage) => Promise<Partial<Record<Order['kind'], (order: Order) => Promise<void>>> | undefined>,
): Promise<void> {
  // A terminal sends Ctrl-C to all: it is for the parent to end us.
  process.on('SIGINT', () => undefined);
  const brief = JSON.parse(process.argv[2] ?? '{}') as Brief;
  const tell = (news: News): Promise<void> => sendToParent(news);
  const bus = await connect(brief.bus, {
    ns: brief.ns,
    onError: (error, where) => void tell({ kind: 'trouble', text: `${brief.name}: ${where}: ${error.message}` }),
  });
  process.once('SIGTERM', () => void bus.close().finally(() => process.exit()));
  const orders = await play({ brief, bus, tell });
  onParentMessage<Order>((order) => {
    if (order.kind === 'report') void tell({ kind: 'ready' });
    else void orders?.[order.kind]?.(order);
  });
  await tell({ kind: 'ready' });
}
