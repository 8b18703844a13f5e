/** Operations on topics. */

import { inputsOf, optionsOf } from './arguments.ts';
import { EventFeed, HELD_BYTES } from './cursors.ts';
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
  'topics.subscribe': ({ id, header, client }) => {
    const feed = new EventFeed(client.cursors.held);
    const options = { ...optionsOf(header, ['from']), max: MAX_HELD, maxBytes: HELD_BYTES };
    return client.cursors.open(id, feed, client.answers, async () =>
      feed.begin(await client.store.topics.subscribe(header['pattern'] as string, options, feed.buffer.push)),
    );
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
