/** `busbar hub`: serves a store over sockets. A first client can start a hub by itself. */

import { text } from 'node:stream/consumers';
import { readTrustedFile } from '@busbar/api/driver';
import { invalid, MAX_TIMER_MS, quote } from '@busbar/api/transport';
import { inNamespace, maskUrl } from '../../bus-url.ts';
import { createProjectFolder } from '../../config/locate-bus.ts';
import { isMissing, loadSockets, openUrl, storeUrlOf } from '../../schemes.ts';
import { type Command, defineCommand, type Invocation } from '../command.ts';
import { formatDuration } from '../input/durations.ts';
import { DONE, UNAVAILABLE } from '../output/exit-codes.ts';
import { printableLine } from '../output/printable.ts';
import { within } from '../session.ts';

const FLAGS = {
  store: {
    kind: 'text',
    value: 'URL',
    help: 'the store: sqlite:FILE, memory:, …; - reads the URL from a pipe (default: a file beside the socket)',
  },
  listen: {
    kind: 'list',
    value: 'URL',
    help: 'an address for clients; may be repeated (default: the configured bus)',
  },
  'token-file': {
    kind: 'text',
    value: 'FILE',
    help: 'tokens of clients: one per line, optionally followed by the only agent it allows',
  },
  idle: { kind: 'duration', min: 100, max: MAX_TIMER_MS, help: 'end after this time without clients (default: never)' },
} as const;

export const hub: Command = defineCommand({
  args: ['ACTION?'],
  actions: ['status', 'stop'],
  flagsOfActions: { hub: Object.keys(FLAGS), status: [], stop: [] },
  flags: FLAGS,
  examples: [
    ['busbar hub --store sqlite:./bus.db --listen unix:./bus.sock', 'runs until Ctrl-C'],
    ['busbar hub --store memory: --listen unix:./bus.sock', 'in memory: fast, and lost when the hub ends'],
    ['busbar hub status --url unix:./bus.sock', 'its process, store and clients; exit 69 if none runs'],
    ['busbar hub stop --url unix', 'ends it; acknowledged messages are kept'],
  ],
  notes: ['The first client of unix:PATH starts a hub, which ends when it is idle.'],
  run: async (invocation) => {
    const [action] = invocation.args;
    if (action === undefined) return serve(invocation);
    if (action === 'status') return status(invocation);
    if (action === 'stop') return stop(invocation);
    throw invalid(`unknown action ${quote(action)}`, 'Use status or stop, or no action to run a hub.');
  },
});

async function serve({ flags, session }: Invocation<typeof FLAGS>): Promise<number> {
  const { out, signal } = session;
  const sockets = await loadSockets();
  const located = flags.listen.length > 0 ? flags.listen.map((url) => session.locate(url)) : [session.locate()];
  located.forEach(createProjectFolder);
  const listen = located.map(({ url }) => url);
  const links = await Promise.all(listen.map((url) => sockets.hubLink(url)));
  const named = flags.store === '-' ? (await text(process.stdin)).trim() : flags.store;
  const store = named === undefined ? await storeUrlOf(listen[0] ?? '') : session.locate(named).url;
  if (listen.includes(store))
    throw invalid('the hub cannot be its own store', 'Name another store with --store, such as memory:.');
  const running = await sockets.serveHub({
    store: async (ns) => {
      const isNew = await isMissing(store);
      const opened = await openUrl(ns === '' ? store : inNamespace(store, ns));
      if (isNew) session.noteNew(store);
      return opened;
    },
    links,
    tokens: flags['token-file'] === undefined ? [] : readTokens(flags['token-file']),
    log: (line) => out.note(`busbar: refused ${line}`),
    idleMs: flags.idle,
  });
  const onInterrupt = (): void => void running.close();
  signal.addEventListener('abort', onInterrupt, { once: true });
  if (signal.aborted) onInterrupt();
  const { addresses } = running;
  if (out.json) await out.jsonLines([{ addresses }]);
  else for (const address of addresses) out.note(`busbar: a hub listens at ${address}`);
  await running.ended;
  return DONE;
}

async function status({ session }: Invocation<typeof FLAGS>): Promise<number> {
  const { out } = session;
  const found = await within((await loadSockets()).hubStatus(session.locate().url), session.call);
  if (out.json) await out.jsonLines([found]);
  else {
    const { pid, store, addresses, clients, upMs } = found;
    const since = formatDuration(upMs);
    const lines = [`process ${pid}, store ${store}, ${clients - 1} clients, up ${since}`, ...addresses];
    await out.lines(lines.map((line) => printableLine(maskUrl(line))));
  }
  return DONE;
}

async function stop({ session }: Invocation<typeof FLAGS>): Promise<number> {
  const { out } = session;
  const { url } = session.locate();
  const wasRunning = await within((await loadSockets()).stopHub(url), session.call);
  if (out.json) await out.jsonLines([{ stopped: wasRunning }]);
  else out.note(wasRunning ? 'busbar: the hub has ended' : 'busbar: no hub is running');
  return wasRunning ? DONE : UNAVAILABLE;
}

/** Each line has a token and optionally the agent that it is limited to; `#` starts a comment. */
function readTokens(file: string): { token: string; agent?: string }[] {
  const content = readTrustedFile(file, '--token-file').toString();
  const lines = content.split('\n').map((line) => line.trim());
  const tokens = lines.filter((line) => line !== '' && !line.startsWith('#')).map(toToken);
  if (tokens.length === 0) throw invalid(`${quote(file)} has no token`, 'Write one token per line.');
  return tokens;
}

function toToken(line: string): { token: string; agent?: string } {
  const [token = '', agent, ...rest] = line.split(/\s+/);
  if (rest.length > 0) throw invalid('a line of --token-file has more than two words', 'Write TOKEN, or TOKEN @agent.');
  return agent === undefined ? { token } : { token, agent };
}
