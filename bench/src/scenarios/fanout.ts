/** Throughput of events to many subscribers. */

import { rate, timed } from '../figures.ts';
import type { ActorProcess } from '../processes/actor-process.ts';
import type { SendLoad } from '../processes/send-all.ts';
import type { Scenario } from './scenario.ts';

const SUBSCRIBERS = [1, 10, 100];
const SHORT_SUBSCRIBERS = [1, 10];
/** The most events on their way to a subscriber. Busbar drops ephemeral events of a subscriber that is 1,000 behind. */
const WINDOW = 800;
const WINDOW_STEP = 100;

export const fanout: Scenario = {
  title: 'Events a second from one process to subscribers in another, each with its own connection',
  once: true,
  mostRuns: 2,
  seconds: ({ messages, short }) => 1.5 + (messages / 2_000) * (short ? 0.6 : 1),
  async run(sandbox, { messages, inFlight, bodyBytes, short }) {
    const publisher = await sandbox.actor();
    const subscriberProcess = await sandbox.actor();
    const figures = [];
    let subscribed = 0;
    for (const subscribers of short ? SHORT_SUBSCRIBERS : SUBSCRIBERS) {
      await subscriberProcess.call('subscribe', subscribers - subscribed);
      subscribed = subscribers;
      const count = Math.ceil(messages / 2 / Math.sqrt(subscribers));
      const load = { count, inFlight: Math.max(...inFlight), bodyBytes };
      const publish = () => publishTo({ publisher, subscriberProcess, subscribers }, load);
      // The first time warms up.
      await publish();
      const ms = await timed(publish);
      const at = subscribers === 1 ? '1 subscriber' : `${subscribers} subscribers`;
      figures.push(rate('published', count, ms, at), rate('delivered', count * subscribers, ms, at));
    }
    return figures;
  },
};

interface Fanout {
  readonly publisher: ActorProcess;
  readonly subscriberProcess: ActorProcess;
  readonly subscribers: number;
}

/** Publishes a load; resolves when every subscriber has all events. */
async function publishTo({ publisher, subscriberProcess, subscribers }: Fanout, load: SendLoad): Promise<void> {
  await subscriberProcess.call('expect', { count: load.count, sources: subscribers });
  await publisher.call('openWindow', WINDOW);
  const moveWindow = async (): Promise<void> => {
    for (let reached = WINDOW_STEP; reached + WINDOW <= load.count + WINDOW_STEP; reached += WINDOW_STEP) {
      await subscriberProcess.call('reached', reached);
      await publisher.call('openWindow', reached + WINDOW);
    }
  };
  await Promise.all([publisher.call('publish', load), moveWindow(), subscriberProcess.call('received')]);
}
