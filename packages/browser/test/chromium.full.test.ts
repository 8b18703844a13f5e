// The client in Chromium, against a hub in another process.
import { createServer, type Server } from 'node:http';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@busbar/testbed';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { serveExample } from '../../../examples/browser/serve.ts';
import { bundlePage } from '../../../scripts/bundle-page.ts';
import { ChromiumPage, findChromium } from './support/chromium.ts';
import { PAGE_TOKEN, type PageHub, startHub } from './support/hub.ts';

const ENTRY = fileURLToPath(new URL('../src/index.ts', import.meta.url));
const program = findChromium();
let server: Server;
let origin: string;
let hub: PageHub;

beforeAll(async () => {
  const { code } = await bundlePage(ENTRY);
  server = createServer(({ url }, response) => {
    const isScript = url === '/busbar.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(isScript ? code : '<!doctype html><title>a page</title>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  hub = await startHub({ origin });
}, 60_000);
afterAll(async () => {
  server.close();
  await hub[Symbol.asyncDispose]();
});
beforeEach(({ skip }) => {
  if (program === undefined) skip('NOT TESTED: chromium was not found; install it, or set BUSBAR_CHROMIUM to its path');
});

/** Opens a page that is the agent `@page`, with `bus` in its scope. */
async function openPage(): Promise<ChromiumPage> {
  const page = await ChromiumPage.open(program ?? '', `${origin}/`);
  const options = JSON.stringify({ url: hub.url, token: PAGE_TOKEN, agent: '@page', connectTimeoutMs: 60_000 });
  await page.run(`import('/busbar.js').then(async (busbar) => {
    globalThis.bus = await busbar.connect(${options});
  })`);
  return page;
}

test('requests, messages, events, tasks and presence', async () => {
  await using page = await openPage();
  await using bus = await hub.open();
  const service = await bus.agent('@service');
  service.handle('double', ({ body }) => (body as number) * 2);
  expect(await page.run("bus.request('@service', 'double', 21)")).toBe(42);
  await page.run("void bus.handle('title', () => document.title)");
  expect(await service.request('@page', 'title')).toBe('a page');
  expect((await bus.agents({ online: true })).map(({ name }) => name)).toContain('@page');
  await using _worker = await bus.process('reports', async ({ body }, context) => {
    await context.progress('half');
    return `report of ${body}`;
  });
  expect(await page.run("bus.enqueue('reports', 'May').then((task) => task.result())")).toBe('report of May');
  await page.run('globalThis.seen = []; bus.subscribe("user.*", ({ body }) => void seen.push(body)).then(() => true)');
  await bus.publish('user.login', { n: 1 });
  await page.run('bus.publish("user.login", { n: 2 })');
  await waitFor(async () => (await page.run<unknown[]>('seen')).length === 2, { what: 'both events' });
  expect(await page.run('seen')).toEqual([{ n: 1 }, { n: 2 }]);
  // A page that is left goes offline at once, long before its presence expires.
  await page.send('Page.navigate', { url: 'about:blank' });
  const isGone = async (): Promise<boolean> =>
    (await bus.agents({ online: true })).every(({ name }) => name !== '@page');
  await waitFor(isGone, { what: 'the page to go offline', timeoutMs: 30_000 });
}, 120_000);

test('a hub that is killed and started again: nothing is lost', async () => {
  await using page = await openPage();
  await using bus = await hub.open();
  await page.run(`globalThis.live = []; globalThis.durable = []; globalThis.states = []; globalThis.sent = 0;
    bus.onState(({ state }) => states.push(state));
    Promise.all([
      bus.subscribe('count', ({ body }) => void live.push(body)),
      bus.subscribe('count', ({ body }) => void durable.push(body), { durableName: 'chromium' }),
    ]).then(() => {
      globalThis.sending = (async () => {
        for (; !globalThis.isOver; sent += 1) await bus.publish('count', sent);
      })();
    })`);
  const counted: unknown[] = [];
  await bus.subscribe('count', ({ body }) => void counted.push(body), { from: 'start' });
  const traffic = async (): Promise<void> => {
    const before = counted.length;
    await waitFor(() => counted.length > before + 10, { what: 'events', timeoutMs: 60_000 });
  };
  await traffic();
  await hub.restart();
  await traffic();
  const sent = await page.run<number>('globalThis.isOver = true, sending.then(() => sent)');
  const numbers = Array.from({ length: sent }, (_, n) => n);
  const isThere = async (): Promise<boolean> =>
    page.run<boolean>(`live.length === ${sent} && new Set(durable).size === ${sent}`);
  await waitFor(isThere, { what: 'all events', timeoutMs: 90_000 });
  expect(await page.run('live')).toEqual(numbers);
  expect(counted).toEqual(numbers);
  expect(await page.run('states')).toContain('reconnecting');
}, 240_000);

test('a page of another origin is refused', async () => {
  await using page = await ChromiumPage.open(program ?? '', origin.replace('127.0.0.1', 'localhost'));
  const options = JSON.stringify({ url: hub.url, token: PAGE_TOKEN, connectTimeoutMs: 500 });
  const code = `import('/busbar.js').then(({ connect }) => connect(${options})).catch((error) => error.code)`;
  expect(await page.run(code)).toBe('UNAVAILABLE');
}, 60_000);

test('the example shows agents and tasks live', async () => {
  await using example = await serveExample(0);
  await using page = await ChromiumPage.open(program ?? '', example.url);
  const shows = (text: string): Promise<unknown> =>
    waitFor(() => page.run<boolean>(`document.body.innerText.includes(${JSON.stringify(text)})`), {
      what: `the page to show ${text}`,
      timeoutMs: 60_000,
    });
  await shows('@clock');
  await shows('@worker');
  await page.run("document.querySelector('#enqueue').click()");
  await shows('lines counted');
  await page.run("document.querySelector('#ask').click()");
  await shows('it is');
}, 120_000);
