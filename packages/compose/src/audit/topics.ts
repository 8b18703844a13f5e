/** The topics of an audited transport. */

import type { OnEvents, Topics } from '@busbar/api/transport';
import type { Recorder } from './recorder.ts';

/** The same topics, recorded. */
export function auditTopics(topics: Topics, recorder: Recorder): Topics {
  return {
    async publish(topic, messages, options) {
      recorder.admit('topics.publish');
      return recorder.sending({ topic }, messages, (own) => topics.publish(topic, own, options));
    },
    subscribe: (pattern, options, onEvents) => topics.subscribe(pattern, options, recordReceived(onEvents, recorder)),
    bind: (queue, pattern, options) => topics.bind(queue, pattern, options),
    unbind: (queue, pattern, options) => topics.unbind(queue, pattern, options),
  };
}

function recordReceived(onEvents: OnEvents, { writer }: Recorder): OnEvents {
  // The store refuses what is no function, and generators.
  if (typeof onEvents !== 'function' || /Generator/.test(onEvents.constructor.name)) return onEvents;
  return (events) => {
    for (const { id, topic } of events) writer.write({ action: 'received', id, topic });
    return onEvents(events);
  };
}
