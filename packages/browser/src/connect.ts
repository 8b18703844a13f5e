/** Connects a page to a hub. */

import { PageAgent } from './agent/page-agent.ts';
import { ConnectedBus } from './connected-bus.ts';
import { webSocketLink } from './link/web-socket-link.ts';
import { type ConnectOptions, checkConnectOptions } from './options.ts';
import type { PageBus } from './page-bus.ts';
import { PageCore } from './page-core.ts';
import { HubStore } from './store/hub-store.ts';
import { PageTasks } from './work/tasks.ts';

/** Nothing starts a hub here. The client tries again until its time is over. */
const noStart = async (): Promise<void> => undefined;

/**
 * Connects to the hub at `url`. With `agent` the page is that agent: when this resolves it is online. Rejects with UNAVAILABLE
 * if no hub accepts the page, and with PERMISSION_DENIED if the hub refuses its token.
 */
export async function connect(options: ConnectOptions): Promise<PageBus> {
  const settings = checkConnectOptions(options);
  const { url, token, ns, agent, heartbeatMs, connectTimeoutMs } = settings;
  const link = webSocketLink(url, token);
  const store = await HubStore.open({ link, info: { ns, agent, heartbeatMs }, connectTimeoutMs, start: noStart });
  const core = new PageCore(store, settings);
  const pageAgent = agent === undefined ? undefined : new PageAgent(core, agent);
  const bus = new ConnectedBus(core, pageAgent, new PageTasks(core));
  try {
    await pageAgent?.open();
    return bus;
  } catch (error) {
    await bus.close();
    throw error;
  }
}
