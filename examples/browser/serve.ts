/** Serves the page of this folder, with a hub and three agents for it to show. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hubLink, serveHub } from '@busbar/transport-socket';
import { type Bus, type Context, connect, connectTransport } from 'busbar';
import { bundlePage } from '../../scripts/bundle-page.ts';

const PAGE = new URL('./index.html', import.meta.url);
const CLIENT = fileURLToPath(new URL('../../packages/browser/src/index.ts', import.meta.url));

/** The example, until it is disposed. */
export interface RunningExample extends AsyncDisposable {
  /** The address of the page. */
  readonly url: string;
}

/** Starts it on `port`, 0 for a free one. */
export async function serveExample(port: number): Promise<RunningExample> {
  const client = await bundlePage(CLIENT);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`;

  // The token of the page belongs to one agent: its reader can only act for @page.
  const token = crypto.randomUUID();
  const openToken = crypto.randomUUID();
  const ns = crypto.randomUUID();
  const hub = await serveHub({
    store: () => connectTransport('memory:', { ns }),
    links: [await hubLink(`ws://127.0.0.1:0/bus?origin=${encodeURIComponent(origin)}`)],
    tokens: [{ token, agent: '@page' }, { token: openToken }],
  });
  const config = JSON.stringify({ url: hub.addresses[0], token, agent: '@page' });
  const files: Readonly<Record<string, readonly [type: string, read: () => string | Promise<string>]>> = {
    '/': ['text/html; charset=utf-8', () => readFile(PAGE, 'utf8')],
    '/busbar.js': ['text/javascript', () => client.code],
    '/config.json': ['application/json', () => config],
  };
  server.on('request', async ({ url = '' }, response) => {
    const [type, read] = files[url] ?? ['text/plain', () => 'not found'];
    response.writeHead(files[url] === undefined ? 404 : 200, { 'content-type': type }).end(await read());
  });

  // Requests go through the hub, so the agents are its clients, too.
  const folder = await mkdtemp(join(tmpdir(), 'busbar-page-'));
  const tokenFile = join(folder, 'token');
  await writeFile(tokenFile, openToken, { mode: 0o600 });
  const bus = await connect(`${hub.addresses[0]}?tokenFile=${encodeURIComponent(tokenFile)}`);
  await startAgents(bus);
  return {
    url: `${origin}/`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await bus.close();
      await hub.close();
      await rm(folder, { recursive: true });
    },
  };
}

async function startAgents(bus: Bus): Promise<void> {
  const clock = await bus.agent('@clock', { capabilities: ['time'] });
  clock.handle('time', () => `it is ${new Date().toLocaleTimeString('en')}`);
  await bus.agent('@worker', { capabilities: ['reports'], maxConcurrent: 2 });
  await bus.process('reports', countLines, { concurrency: 2 });
}

/** Counts the lines of a file, slowly, so that the page has something to show. */
async function countLines({ body }: { readonly body: unknown }, context: Context): Promise<string> {
  const { file, stepMs } = body as { file: string; stepMs: number };
  await context.publish('report.started', { file });
  for (let percent = 0; percent < 100; percent += 10) {
    await context.progress(percent);
    await new Promise((resolve) => setTimeout(resolve, stepMs));
  }
  await context.publish('report.done', { file });
  return `${file.length * 37} lines counted`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await serveExample(Number(process.env['PORT'] ?? 8080));
  console.log(`Open ${url}`);
}
