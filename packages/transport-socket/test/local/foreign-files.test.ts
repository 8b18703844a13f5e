// Files at the path of a hub that the hub did not make: of other users, links, and files with other content.
import { chmodSync, chownSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type TempDir, tempDir } from '@busbar/testbed';
import { connectTransport } from 'busbar';
import { describe, expect, test } from 'vitest';
import { hubLink, openSocket, serveHub } from '../../src/index.ts';

const OTHER_USER = 12_345;
const isRoot = process.getuid?.() === 0;

/** Serves at `url`, and ends at once. */
async function serve(url: string): Promise<void> {
  await using _ = await serveHub({ store: () => connectTransport('memory:'), links: [await hubLink(url)] });
}

interface Kind {
  readonly name: string;
  url(path: string): string;
}

const KINDS: readonly Kind[] = [
  { name: 'unix', url: (path) => `unix:${path}` },
  { name: 'ws', url: (path) => `ws:${path}` },
  { name: 'zmq', url: (path) => `zmq:ipc://${path}` },
];

function fileIn(folder: TempDir, name: string, text: string): string {
  const path = folder.join(name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

describe.each(KINDS)('at the path of a hub over $name', ({ url }) => {
  test.each(['junk', 'x'.repeat(5_000)])(
    'a lock file with other content is refused with its path, and kept',
    async (text) => {
      await using folder = tempDir('busbar-foreign');
      const lock = fileIn(folder, 'bus.lock', text);
      await expect(serve(url(folder.join('bus')))).rejects.toMatchObject({
        code: 'CONFLICT',
        message: expect.stringContaining(lock),
        hint: expect.stringMatching(/move/i),
      });
      expect(readFileSync(lock, 'utf8')).toBe(text);
    },
  );

  test('a lock file that others can open, a folder, or a link is refused with its path', async () => {
    await using folder = tempDir('busbar-foreign');
    const lock = fileIn(folder, 'bus.lock', '');
    const target = fileIn(folder, 'victim', 'precious');
    const makes: (() => void)[] = [
      () => chmodSync(lock, 0o666),
      () => mkdirSync(lock),
      () => symlinkSync(target, lock),
    ];
    for (const make of makes) {
      make();
      const serving = serve(url(folder.join('bus')));
      await expect(serving).rejects.toMatchObject({
        code: 'PERMISSION_DENIED',
        message: expect.stringContaining(lock),
      });
      rmSync(lock, { recursive: true });
    }
    expect(readFileSync(target, 'utf8')).toBe('precious');
  });

  test.skipIf(!isRoot).each(['bus.lock', 'bus.token', 'bus'])(
    '%s of another user is refused with its path',
    async (name) => {
      await using folder = tempDir('busbar-foreign');
      if (url('').startsWith('ws:') && name === 'bus.token') return;
      const path = fileIn(folder, name, '');
      chownSync(path, OTHER_USER, OTHER_USER);
      const serving = serve(url(folder.join('bus')));
      await expect(serving).rejects.toMatchObject({
        code: 'PERMISSION_DENIED',
        message: expect.stringContaining(path),
      });
    },
  );

  test.skipIf(!isRoot)('a folder of another user is refused with its path, by the hub and by clients', async () => {
    await using folder = tempDir('busbar-foreign');
    chownSync(folder.path, OTHER_USER, OTHER_USER);
    const refusal = { code: 'PERMISSION_DENIED', message: expect.stringContaining(folder.path) };
    await expect(serve(url(folder.join('bus')))).rejects.toMatchObject(refusal);
    await expect(openSocket(url(folder.join('bus')))).rejects.toMatchObject(refusal);
    chownSync(folder.path, 0, 0);
  });

  test('a broken file of this user is replaced, except for a lock', async () => {
    await using folder = tempDir('busbar-foreign');
    fileIn(folder, 'bus.token', 'short');
    await serve(url(folder.join('bus')));
  });
});

describe('the file of a token', () => {
  const PORT = 'ws://127.0.0.1:1/bus';

  test('is not a link', async () => {
    await using folder = tempDir('busbar-foreign');
    const link = folder.join('link');
    symlinkSync(fileIn(folder, 'token', 'a-token-of-this-client'), link);
    const opening = openSocket(`${PORT}?tokenFile=${link}`);
    await expect(opening).rejects.toMatchObject({ code: 'PERMISSION_DENIED', message: expect.stringContaining(link) });
  });

  test.skipIf(!isRoot)('of another user is refused with its path', async () => {
    await using folder = tempDir('busbar-foreign');
    const path = fileIn(folder, 'token', 'a-token-of-this-client');
    chownSync(path, OTHER_USER, OTHER_USER);
    const opening = openSocket(`${PORT}?tokenFile=${path}`);
    await expect(opening).rejects.toMatchObject({ code: 'PERMISSION_DENIED', message: expect.stringContaining(path) });
  });
});
