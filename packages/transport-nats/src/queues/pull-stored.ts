/** Reads stored messages of a queue for a user who may read only some queues. */

import type { Msg } from '@nats-io/transport-node';
import { NS } from '../connection/streams.ts';
import type { QueueContext } from './queue-context.ts';

const PAGE = 500;
const INACTIVE_MS = 5_000;

/**
 * Pages of the messages with this subject from a sequence on, through a consumer with the subject as its filter. The server
 * permits such consumers by subject. A direct get names it in its body.
 */
export async function* pullStored(
  { requests, names, puller }: QueueContext,
  subject: string,
  from: number,
): AsyncGenerator<readonly Msg[], void> {
  const stream = names.queues;
  const name = `r${crypto.randomUUID().replaceAll('-', '')}`;
  const config = {
    ...{ name, filter_subject: subject, ack_policy: 'none', deliver_policy: 'by_start_sequence', opt_start_seq: from },
    ...{ replay_policy: 'instant', mem_storage: true, num_replicas: 1, inactive_threshold: INACTIVE_MS * NS },
  };
  const path = `CONSUMER.CREATE.${stream}.${name}.${subject}`;
  await requests.api(path, { stream_name: stream, config });
  for (let isEnd = false; !isEnd; ) {
    const { messages } = await puller.pull(name, PAGE, true);
    if (messages.length > 0) yield messages;
    isEnd = messages.length < PAGE && !(await requests.reader.catchUpConsumer(stream, name, subject));
  }
}
