/** Reads stored messages of a queue for a user who may read only some queues. */

import type { Msg } from '@nats-io/transport-node';
import { NS, streamInfo } from '../connection/streams.ts';
import { ignoreRefusal } from '../errors.ts';
import type { QueueContext } from './queue-context.ts';
import { readDelivery } from './stored-message.ts';

const PAGE = 500;
const INACTIVE_MS = 5_000;
const BEHIND_MS = 30_000;
/** How long a server of a cluster may be behind without a message to show for it. */
const UNSEEN_MS = 1_000;

/**
 * Pages of the messages with this subject from a sequence on, through a consumer with the subject as its filter. The server
 * permits such consumers by subject. A direct get names it in its body.
 */
export async function* pullStored(
  shared: QueueContext,
  subject: string,
  from: number,
): AsyncGenerator<readonly Msg[], void> {
  const { requests, names, puller } = shared;
  const since = performance.now();
  let next = from;
  let consumer = await createReader(shared, subject, next);
  for (let count = 0; ; ) {
    // A pull of a slow server ends before its messages come: the consumer says how many there are.
    const { messages } = await puller.pull(consumer, PAGE, true);
    const last = messages.at(-1);
    if (last !== undefined) {
      count += messages.length;
      next = readDelivery(last).seq + 1;
      yield messages;
    }
    if (messages.length === PAGE) continue;
    const path = `CONSUMER.INFO.${names.queues}.${consumer}`;
    const info = await requests.api<{ num_pending: number }>(path).catch(ignoreRefusal);
    if (info === undefined) consumer = await createReader(shared, subject, next);
    else if (info.num_pending === 0) {
      if (!requests.connection.isClustered) return;
      // The server of the consumer may be behind: the leader of the stream counts what there is from the first message on.
      const stored = await storedOf(shared, subject);
      if (from === 1 ? count >= stored : count > 0 || stored === 0 || performance.now() > since + UNSEEN_MS) return;
      await requests.reader.pauseForReplica(since + BEHIND_MS);
    }
  }
}

/** Makes a consumer that reads without acks. Resolves with its name. */
async function createReader({ requests, names }: QueueContext, subject: string, from: number): Promise<string> {
  const stream = names.queues;
  const name = `r${crypto.randomUUID().replaceAll('-', '')}`;
  const config = {
    ...{ name, filter_subject: subject, ack_policy: 'none', deliver_policy: 'by_start_sequence', opt_start_seq: from },
    ...{ replay_policy: 'instant', mem_storage: true, num_replicas: 1, inactive_threshold: INACTIVE_MS * NS },
  };
  await requests.api(`CONSUMER.CREATE.${stream}.${name}.${subject}`, { stream_name: stream, config });
  return name;
}

async function storedOf({ requests, names, clock }: QueueContext, subject: string): Promise<number> {
  const { state } = await streamInfo(requests, clock, names.queues, subject);
  return Object.values(state.subjects ?? {}).reduce((sum, count) => sum + count, 0);
}
