/** Configures a queue and begins to consume it. */

import type { CallOptions } from '../../contract/call-options.ts';
import type { QueueSettings } from '../../contract/queues.ts';
import type { BusRuntime } from '../runtime.ts';
import { checkRetry } from './backoff.ts';
import { Consumer, type ConsumerPlan } from './consumer.ts';
import type { ConsumeOptions } from './options.ts';

/** Configures `queue` by the options and begins to consume it. */
export async function startConsumer(
  runtime: BusRuntime,
  queue: string,
  { concurrency = 1, leaseMs, maxAttempts, retry, onInvalid, consumer = runtime.instance, open }: ConsumeOptions,
  {
    declare,
    resetsBefore = runtime.declarations.resets,
    ...plan
  }: Omit<ConsumerPlan, keyof ConsumeOptions | 'queue' | 'ackFirst'>,
): Promise<Consumer> {
  const settings: QueueSettings = {
    ...(leaseMs !== undefined && { leaseMs }),
    ...(maxAttempts !== undefined && { maxAttempts }),
  };
  const configure = async (bounds?: CallOptions): Promise<void> => {
    if (Object.keys(settings).length > 0) await runtime.transport.queues.configure(queue, settings, bounds);
  };
  await configure(open);
  runtime.assertOpen();
  return new Consumer(runtime, {
    ...plan,
    queue,
    concurrency,
    consumer,
    retry: checkRetry(retry),
    onInvalid,
    maxAttempts,
    resetsBefore,
    declare: async (reset) => {
      await declare?.(reset);
      await configure();
    },
  });
}
