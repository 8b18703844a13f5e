// Chromium without a window, driven by its DevTools protocol.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { tempDir, waitFor } from '@busbar/testbed';
import { WebSocket } from 'ws';

const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome'];
const FLAGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-dev-shm-usage'],
  ...[
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--remote-debugging-port=0',
    '--window-size=1100,860',
  ],
];

/** The path of a Chromium; `BUSBAR_CHROMIUM` names another. Undefined if there is none. */
export function findChromium(): string | undefined {
  const named = process.env['BUSBAR_CHROMIUM'];
  const candidates = named === undefined ? PROGRAMS : [named];
  return candidates.find((program) => {
    try {
      execFileSync(program, ['--version'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
}

/** A page of a running Chromium. */
export class ChromiumPage implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #folder: AsyncDisposable;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, PromiseWithResolvers<Record<string, unknown>>>();
  #session: string | undefined;
  #lastId = 0;

  private constructor(child: ChildProcess, folder: AsyncDisposable, socket: WebSocket) {
    this.#process = child;
    this.#folder = folder;
    this.#socket = socket;
    socket.on('message', (data) => {
      const { id, result, error } = JSON.parse(String(data));
      const waiting = this.#waiting.get(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(error.message));
    });
  }

  /** Opens `url` in a new Chromium. */
  static async open(program: string, url: string): Promise<ChromiumPage> {
    const folder = tempDir('busbar-chromium');
    const child = spawn(program, [...FLAGS, `--user-data-dir=${folder.path}`, 'about:blank'], { stdio: 'ignore' });
    process.once('exit', () => child.kill('SIGKILL'));
    const address = await waitFor(
      () => {
        const [port, path] = readFileSync(folder.join('DevToolsActivePort'), 'utf8').split('\n');
        return path && `ws://127.0.0.1:${port}${path}`;
      },
      { what: 'Chromium to start', timeoutMs: 60_000 },
    );
    const socket = new WebSocket(address);
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    const page = new ChromiumPage(child, folder, socket);
    try {
      await page.#load(url);
      return page;
    } catch (error) {
      await page[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #load(url: string): Promise<void> {
    const { targetId } = await this.send('Target.createTarget', { url });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    this.#session = sessionId as string;
    await waitFor(() => this.run("document.readyState === 'complete' && location.href !== 'about:blank'"), {
      what: 'the page to load',
      timeoutMs: 60_000,
    });
  }

  /** The value of an expression in the page, which may be a promise. Rejects with what it throws. */
  async run<T>(expression: string): Promise<T> {
    const options = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = (await this.send('Runtime.evaluate', options)) as {
      result: { value: T };
      exceptionDetails?: { text: string; exception?: { description?: string } };
    };
    if (exceptionDetails === undefined) return result.value;
    throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  }

  /** The page as PNG. */
  async screenshot(): Promise<Buffer> {
    const { data } = await this.send('Page.captureScreenshot', { format: 'png' });
    return Buffer.from(data as string, 'base64');
  }

  send(method: string, params: object): Promise<Record<string, unknown>> {
    this.#lastId += 1;
    const waiting = Promise.withResolvers<Record<string, unknown>>();
    this.#waiting.set(this.#lastId, waiting);
    this.#socket.send(JSON.stringify({ id: this.#lastId, method, params, sessionId: this.#session }));
    return waiting.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGKILL');
    await ended;
    this.#socket.terminate();
    await this.#folder[Symbol.asyncDispose]();
  }
}
