/** Values that cases send and receive. */

import type { Message, MessageInput, PutResult } from '@busbar/api/transport';
import type { TestContext } from '../context/test-context.ts';

/** A message with every field. */
export function fullMessage(): MessageInput & { readonly body: Uint8Array } {
  return {
    id: 'p1',
    body: Uint8Array.of(0, 1, 10, 34, 127, 128, 192, 254, 255),
    contentType: 'application/x-test; v="1"',
    headers: { trace: '00-Ä€😀-\n"quoted"', empty: '', 'x-1': ' blanks kept ' },
    type: 'order placed',
    from: '@sender',
    to: '@receiver',
    priority: 7,
    correlationId: 'correlation 1',
    causationId: 'cause#1',
    hops: 3,
    replyTo: 'replies.p1',
  };
}

/** Overwrites the body and the header `kind` of a received message. */
export function spoil({ body, headers }: Pick<Message, 'body' | 'headers'>): void {
  body.fill(0);
  try {
    (headers as Record<string, string>)['kind'] = 'spoiled';
  } catch {
    // Frozen headers are as safe as copies.
  }
}

/** Asserts that a put is stored, and returns its result. */
export function storedOf(test: TestContext, result: PutResult | undefined): Stored {
  test.check.equal(result?.status, 'stored', 'the status of a put');
  return result as Stored;
}

type Stored = Extract<PutResult, { readonly status: 'stored' }>;
