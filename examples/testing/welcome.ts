/** A program under test: it reminds users a day after they signed up. */

import { type Bus, type Context, defineQueue, type ReceivedMessage } from 'busbar';

const DAY_MS = 86_400_000;
export const reminders = defineQueue('reminders');

/** Sends a text to an address. */
export type SendMail = (to: string, text: string) => Promise<void>;

export async function onSignUp({ body }: ReceivedMessage<{ email: string }>, context: Context): Promise<void> {
  await context.enqueue(reminders, body.email, { delayMs: DAY_MS, dedupeKey: body.email });
}

export async function startWelcome(bus: Bus, sendMail: SendMail): Promise<void> {
  await bus.subscribe('user.signed-up', onSignUp, { durableName: 'welcome' });
  await bus.process(reminders, async ({ body }) => sendMail(String(body), 'Do you like it?'));
}
