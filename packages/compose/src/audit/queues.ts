/** The queues of an audited transport. */

import type { Queues, SendResult, Settlement } from '@busbar/api/transport';
import type { MessageAction } from './record.ts';
import { outcomeOf, type Recorder, reasonOf } from './recorder.ts';

export const SEND_ACTIONS: Readonly<Record<SendResult['status'], MessageAction>> = {
  stored: 'sent',
  duplicate: 'duplicate',
  failed: 'failed',
  unknown: 'unknown',
};

/** The same queues, recorded. */
export function auditQueues(queues: Queues, recorder: Recorder): Queues {
  return {
    async send(queue, messages, options) {
      recorder.admit('queues.send');
      const inputs = recorder.withIds(messages);
      const draft = recorder.draft(inputs);
      try {
        const results = await queues.send(queue, inputs, options);
        for (const [index, { status, error }] of results.entries()) {
          const reason = error === undefined ? undefined : reasonOf(error);
          recorder.sent(draft, index, { action: SEND_ACTIONS[status], queue, reason });
        }
        return results;
      } catch (error) {
        recorder.failed(draft, { queue }, error);
        throw error;
      }
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
