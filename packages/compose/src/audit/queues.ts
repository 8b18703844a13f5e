/** The queues of an audited transport. */

import type { Queues, Settlement } from '@busbar/api/transport';
import { outcomeOf, type Recorder } from './recorder.ts';

/** The same queues, recorded. */
export function auditQueues(queues: Queues, recorder: Recorder): Queues {
  return {
    async send(queue, messages, options) {
      recorder.admit('queues.send');
      return recorder.sending({ queue }, messages, (own) => queues.send(queue, own, options));
    },
    async receive(queue, options) {
      recorder.admit('queues.receive');
      const deliveries = await queues.receive(queue, options);
      recorder.delivered(queue, deliveries, options?.consumer);
      return deliveries;
    },
    async settle(settlements, options) {
      const own: Settlement[] = Array.isArray(settlements) ? settlements.map((one) => ({ ...one })) : [];
      try {
        const results = await queues.settle(settlements, options);
        recorder.settled(own, (index) => results[index]?.status);
        return results;
      } catch (error) {
        if (outcomeOf(error) === 'unknown') recorder.settled(own, () => 'unknown');
        throw error;
      }
    },
    configure: (queue, settings, options) => queues.configure(queue, settings, options),
  };
}
