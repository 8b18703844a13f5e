/** Consumes with a command until a signal ends it: for `work` and `sub`. */

import { type BackgroundFailure, type Bus, openBus } from '@busbar/api';
import { BusbarError, isBusbarError } from '@busbar/api/transport';
import { maskUrl } from '../../bus-url.ts';
import type { Environment } from '../../config/locate-bus.ts';
import { exactCodec } from '../exact-json.ts';
import type { Session } from '../session.ts';
import { sayFailure } from './message-command.ts';
import { commandsEnded } from './run-command.ts';

/** How often to look whether a queue is empty. */
const LOOK_MS = 500;

/** What runs while messages are consumed. */
export interface Consuming {
  /** The queue of the transport. */
  readonly queue: string;
  /** Whether to end when the queue has no message left. */
  readonly untilEmpty: boolean;
  /** Starts to consume. `end` takes no more messages; `release` also releases those that are held. */
  start(bus: Bus, end: (how: 'drain' | 'release') => void): Promise<unknown>;
}

/**
 * Consumes until a signal, or until the queue is empty. The first signal lets running commands end, the second one ends them and
 * releases their messages.
 */
export async function consume(session: Session, { queue, untilEmpty, start }: Consuming): Promise<void> {
  const { out, signal } = session;
  const forced = session.drainOnSignal();
  const transport = await session.transport();
  const over = Promise.withResolvers<'drain' | 'release'>();
  const stop = transport.onState(({ state, error }) => {
    if (state === 'closed') over.reject(error ?? new BusbarError('CLOSED', 'the transport was closed'));
  });
  signal.addEventListener('abort', () => over.resolve('drain'), { once: true });
  const said = new Set<string>();
  const onError = ({ error, place }: BackgroundFailure): void => {
    const failure = sayFailure(error);
    if (failure !== undefined) out.note(`busbar: ${failure}`);
    else if (said.size !== said.add(place).size) out.note(`busbar: ${place}: ${maskUrl(error.message)}`);
  };
  const bus = openBus(transport, { codec: exactCodec, ownsTransport: false, onError });
  let looking: NodeJS.Timeout | undefined;
  try {
    await start(bus, over.resolve);
    if (signal.aborted) over.resolve('drain');
    if (untilEmpty) looking = setInterval(() => void endIfEmpty(session, queue, over), LOOK_MS);
    const how = await over.promise;
    if (signal.aborted) out.note('busbar: no more messages are taken; a second signal ends running commands');
    if (how === 'drain') await Promise.race([bus.drain(), forced]);
  } finally {
    clearInterval(looking);
    stop();
    await bus.close({ drainMs: 0 });
    // After a second signal they have five seconds.
    await commandsEnded();
  }
}

async function endIfEmpty(
  session: Session,
  queue: string,
  over: PromiseWithResolvers<'drain' | 'release'>,
): Promise<void> {
  try {
    const { admin } = await session.transport();
    const [info] = await admin.queues({ names: [queue], ...session.call });
    if (info === undefined || info.ready + info.delayed + info.leased === 0) over.resolve('drain');
  } catch (error) {
    // An unreachable store is looked at again.
    if (!isBusbarError(error) || !error.retryable) over.reject(error);
  }
}

/** The environment of a command: the same bus, and the agent to act for. */
export function commandEnvironment(session: Session, agent?: string): Environment {
  const { url } = session.locate();
  const name = agent ?? session.agentName;
  return { ...session.env, MESSAGE_BUS: url, ...(name === undefined ? {} : { BUSBAR_AGENT: name }) };
}
