/** Operations on topics. */

import { inputsOf, optionsOf } from './arguments.ts';
import { EventFeed } from './cursors.ts';
import type { HubOperation } from './operation.ts';
import { encodeResults } from './queues.ts';

/** Events that the hub holds for one subscription. */
const MAX_HELD = 64;

export const topicOperations: Readonly<Record<string, HubOperation>> = {
  async 'topics.publish'({ header, bodies, client }) {
    const inputs = inputsOf(header, bodies, client.agent);
    const options = optionsOf(header, ['ephemeral']);
    return encodeResults(await client.store.topics.publish(header['topic'] as string, inputs, options));
  },
  async 'topics.subscribe'({ id, header, client }) {
    client.cursors.assertRoom();
    const feed = new EventFeed();
    const options = { ...optionsOf(header, ['from']), max: MAX_HELD };
    const subscription = await client.store.topics.subscribe(header['pattern'] as string, options, feed.buffer.push);
    return client.cursors.add(id, feed, feed.begin(subscription));
  },
  async 'topics.bind'({ header, client }) {
    const { queue, pattern } = header as { queue: string; pattern: string };
    await client.store.topics.bind(queue, pattern, optionsOf(header, ['from']));
    return {};
  },
  async 'topics.unbind'({ header, client }) {
    const { queue, pattern } = header as { queue: string; pattern: string };
    await client.store.topics.unbind(queue, pattern, optionsOf(header));
    return {};
  },
};
