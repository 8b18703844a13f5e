/** What does a process that waits need, and what do 100,000 messages that wait for it add? */

import { Actor } from '../actor.ts';
import type { Figure } from '../figures.ts';
import type { Scenario } from '../scenarios.ts';

const PENDING = 100_000;
const MB = 1e6;

export const memory: Scenario = {
  question: 'Memory: an idle consumer above bare Node, and above that once it has worked off 100,000 messages',
  async run(subject, place, { inFlight, bodyBytes }) {
    await using producer = await Actor.start(subject, place);
    await using consumer = await Actor.start(subject, place);
    if (consumer.can('listen')) await consumer.do('listen');
    const idle = await consumer.usage();
    await producer.produce(PENDING, inFlight, bodyBytes);
    await consumer.consume(PENDING, inFlight);
    const after = await consumer.usage();
    const bare = await bareNode();
    return [megabytes('idle', idle.rssBytes - bare), megabytes('100,000 messages', after.rssBytes - idle.rssBytes)];
  },
};

function megabytes(name: string, bytes: number): Figure {
  return { name, unit: 'MB', better: 'down', values: [bytes / MB] };
}

/** What a process needs that plays no part: the same program, nothing opened. */
async function bareNode(): Promise<number> {
  await using nobody = Actor.idle();
  return (await nobody.usage()).rssBytes;
}
