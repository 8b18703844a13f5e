/** What clients may ask of topics. */

import type { PublishOptions } from '@busbar/api/transport';
import { bounds, inputs, readFrom } from './arguments.ts';
import { EventFeed } from './cursors.ts';
import type { Operation } from './operation.ts';
import { toResults } from './queues.ts';

/** Events that the hub holds for one subscription at most. */
const MAX_HELD = 64;

export const topicOperations: Readonly<Record<string, Operation>> = {
  async 'topics.publish'({ head, bodies, client }) {
    const { ephemeral } = head as PublishOptions;
    const options = ephemeral === undefined ? bounds(head) : { ...bounds(head), ephemeral };
    const messages = inputs(head, bodies, client);
    return toResults(await client.store.topics.publish(head['topic'] as string, messages, options));
  },
  async 'topics.subscribe'({ id, head, client }) {
    client.cursors.assertRoom();
    const feed = new EventFeed();
    const options = { ...bounds(head), ...readFrom(head), max: MAX_HELD };
    const subscription = await client.store.topics.subscribe(head['pattern'] as string, options, feed.take);
    const position = feed.begin(subscription);
    if (client.isGone) feed.close();
    else client.cursors.add(id, feed);
    return { head: { cursor: id, position } };
  },
  async 'topics.bind'({ head, client }) {
    const options = { ...bounds(head), ...readFrom(head) };
    await client.store.topics.bind(head['queue'] as string, head['pattern'] as string, options);
    return {};
  },
  async 'topics.unbind'({ head, client }) {
    await client.store.topics.unbind(head['queue'] as string, head['pattern'] as string, bounds(head));
    return {};
  },
};
