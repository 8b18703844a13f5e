// A hub in this process with a store in memory, and its log.
import { connectTransport } from 'busbar';
import { type AccessToken, type Hub, hubLink, serveHub } from '../../src/index.ts';

/** A hub and its log. */
export interface InProcessHub extends AsyncDisposable {
  readonly hub: Hub;
  /** The URL where it listens. */
  readonly url: string;
  readonly log: readonly string[];
}

/** A hub that listens at `url`. */
export async function localHub(url: string, tokens: readonly AccessToken[] = []): Promise<InProcessHub> {
  const log: string[] = [];
  const store = `local-${crypto.randomUUID()}`;
  const hub = await serveHub({
    store: (ns) => connectTransport('memory:', { ns: `${store}${ns}` }),
    links: [await hubLink(url)],
    tokens,
    log: (line) => void log.push(line),
  });
  return { hub, url: hub.addresses[0] ?? '', log, [Symbol.asyncDispose]: () => hub.close() };
}
