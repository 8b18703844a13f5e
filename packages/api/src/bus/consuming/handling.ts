/** Handling: one delivery, from its bytes to the user's handler and back. */

import { BusbarError } from '../../contract/errors.ts';
import type { Delivery } from '../../contract/message.ts';
import { Cause } from '../messages/causation.ts';
import { type StandardSchema, validate } from '../messages/schema.ts';
import type { Operations } from '../operations.ts';
import type { BusKernel } from '../runtime.ts';
import { type Context, HandlerContext } from './context.ts';
import type { HeldLease } from './delivery-leases.ts';
import { type ReceivedMessage, toReceived } from './received.ts';
import { RejectError } from './reject-error.ts';

/** How deliveries of one queue are handled. */
export interface HandlingPlan {
  readonly operations: Operations;
  /** What is handled, for errors: `task of batch`. */
  readonly what: string;
  /** Names who handles it, so that what is sent meanwhile has ids that follow from the delivery's. */
  readonly scope: string;
  readonly schema: StandardSchema | undefined;
  readonly handler: (received: ReceivedMessage<never>, context: Context) => unknown;
  /** What `context.progress` does. Without it, nothing. */
  readonly progress?: (delivery: Delivery, lease: HeldLease, value: unknown) => void;
}

/**
 * Runs the user's handler, middleware around it. A body that cannot be read, or is not what the schema says, is no work
 * for a second attempt: it is rejected with the issues.
 */
export async function handleDelivery(
  kernel: BusKernel,
  plan: HandlingPlan,
  delivery: Delivery,
  lease: HeldLease,
): Promise<unknown> {
  const received = await readDelivery(kernel, plan, delivery);
  const { progress } = plan;
  const context = new HandlerContext(
    plan.operations,
    { from: undefined, cause: new Cause(delivery, plan.scope) },
    {
      attempt: delivery.attempt,
      signalOf: lease,
      extend: () => kernel.leases.extend(lease),
      ...(progress && { progress: async (value: unknown) => progress(delivery, lease, value) }),
    },
  );
  return runHandler(kernel, plan.handler, received, context);
}

/** Runs a handler with the middleware around it. */
export async function runHandler(
  kernel: BusKernel,
  handler: HandlingPlan['handler'],
  received: ReceivedMessage,
  context: Context,
): Promise<unknown> {
  if (!kernel.middleware.has('handle')) return handler(received as ReceivedMessage<never>, context);
  return kernel.middleware.handle(received, context, async () => handler(received as ReceivedMessage<never>, context));
}

async function readDelivery(kernel: BusKernel, plan: HandlingPlan, delivery: Delivery): Promise<ReceivedMessage> {
  try {
    const received = toReceived(kernel.bodies, delivery);
    if (plan.schema === undefined) return received;
    return { ...received, body: await validate(plan.schema, received.body, plan.what) };
  } catch (error) {
    const reason = error instanceof BusbarError ? error.message : `the schema of ${plan.what} failed: ${String(error)}`;
    throw new RejectError(reason, { cause: error });
  }
}
