// A hub over a store in memory, in this process, and what it logged.
import { connectTransport } from 'busbar';
import { type AccessToken, type Hub, hubLink, serveHub } from '../../src/index.ts';

/** A hub and its log. */
export interface LocalHub extends AsyncDisposable {
  readonly hub: Hub;
  /** The URL that it listens on. */
  readonly url: string;
  readonly log: readonly string[];
}

/** A hub that listens at `url`. */
export async function localHub(url: string, tokens: readonly AccessToken[] = []): Promise<LocalHub> {
  const log: string[] = [];
  const store = `local-${crypto.randomUUID()}`;
  const hub = await serveHub({
    store: (ns) => connectTransport('memory:', `${store}${ns}`),
    links: [await hubLink(url)],
    tokens,
    log: (line) => void log.push(line),
  });
  return { hub, url: hub.addresses[0] ?? '', log, [Symbol.asyncDispose]: () => hub.close() };
}
