// A hub in a process of its own, with a store in a file, that listens for WebSockets.
import { writeFileSync } from 'node:fs';
import { type Child, freePort, spawnChild, tempDir, waitFor } from '@busbar/testbed';
import { type Bus, connect } from 'busbar';

const PROGRAM = new URL('../../../busbar/bin/busbar.js', import.meta.url);
const OPEN_TOKEN = 'a-token-for-all-agents-here';
/** A token that belongs to `@page`. */
export const PAGE_TOKEN: string = 'a-token-of-the-page-alone';

/** A running hub. */
export interface PageHub extends AsyncDisposable {
  readonly url: string;
  readonly child: Child;
  /** Another member of the bus, in this process. */
  open(): Promise<Bus>;
  /** Kills the hub and starts it again. */
  restart(): Promise<void>;
}

/** Starts a hub that pages of `origin` may connect to. */
export async function startHub({ origin }: { readonly origin?: string } = {}): Promise<PageHub> {
  const folder = tempDir('busbar-page');
  const port = await freePort();
  const tokens = folder.join('tokens');
  const own = folder.join('token');
  writeFileSync(tokens, `${OPEN_TOKEN}\n${PAGE_TOKEN} @page\n`, { mode: 0o600 });
  writeFileSync(own, `${OPEN_TOKEN}\n`, { mode: 0o600 });
  const url = `ws://127.0.0.1:${port}/bus`;
  const listen = origin === undefined ? url : `${url}?origin=${encodeURIComponent(origin)}`;
  const args = ['hub', '--store', `sqlite:${folder.join('bus.db')}`, '--listen', listen, '--token-file', tokens];
  const child = spawnChild({ file: PROGRAM, args });
  const open = (): Promise<Bus> =>
    connect(`${url}?tokenFile=${encodeURIComponent(own)}&waitForServerMs=60s`, { onError: () => undefined });
  await (await open()).close();
  return {
    url,
    child,
    open,
    async restart() {
      await child.kill();
      await child.restart();
      await waitFor(async () => (await open()).close().then(() => true), { what: 'the hub', timeoutMs: 60_000 });
    },
    async [Symbol.asyncDispose]() {
      await child.kill();
      await folder[Symbol.asyncDispose]();
    },
  };
}
