// Files of certificates, keys and tokens: none that another user could have written.
import { chmodSync, chownSync, lchownSync, symlinkSync, writeFileSync } from 'node:fs';
import { isBusbarError } from '@busbar/api';
import { type TempDir, tempDir } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { connect } from '../src/index.ts';
import { shell } from './shell.ts';

/** What names a file, without a server: the file is read first. */
const openers: Record<string, (path: string) => Promise<unknown>> = {
  'nkey of NATS': (path) => connect(`nats://127.0.0.1:9?nkey=${path}`),
  'creds of NATS': (path) => connect(`nats://127.0.0.1:9?creds=${path}`),
  'tls.ca of Redis': (path) => connect(`rediss://127.0.0.1:9?ca=${path}`),
  'ca of wss': (path) => connect(`wss://127.0.0.1:9?ca=${path}`),
  'tokenFile of ws': (path) => connect(`ws://127.0.0.1:9?tokenFile=${path}`),
};

describe.each(Object.entries(openers))('%s', (_, open) => {
  test('is refused if every user can write to it', async () => {
    await using folder = tempDir();
    const path = fileIn(folder);
    chmodSync(path, 0o666);
    await expect(open(path)).rejects.toMatchObject({ code: 'PERMISSION_DENIED', hint: expect.anything() });
  });

  test.runIf(process.geteuid?.() === 0)('is refused if it belongs to another user', async () => {
    await using folder = tempDir();
    const path = fileIn(folder);
    chownSync(path, 12_345, 12_345);
    await expect(open(path)).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
      message: expect.stringContaining('belongs to another user'),
    });
  });

  test('is named if it is not there', async () => {
    await using folder = tempDir();
    const path = folder.join('none');
    const error: unknown = await open(path).catch((failure: unknown) => failure);
    expect(isBusbarError(error) && [error.code, error.message.includes(path)]).toEqual(['INVALID_ARGUMENT', true]);
  });
});

test.runIf(process.geteuid?.() === 0)('a link of another user is refused, too', async () => {
  await using folder = tempDir();
  symlinkSync(fileIn(folder), folder.join('link'));
  lchownSync(folder.join('link'), 12_345, 12_345);
  const opened = connect(`wss://127.0.0.1:9?ca=${folder.join('link')}`);
  await expect(opened).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
});

test('the tokens of a hub', async () => {
  await using sh = shell();
  const path = fileIn(sh.dir);
  chmodSync(path, 0o666);
  const { code, stderr } = await sh.run('hub', '--listen', 'unix:./x', '--token-file', path);
  expect([code, stderr]).toEqual([
    7,
    expect.stringMatching(/every user can write to the file of --token-file.*\nhint: chmod o-w /),
  ]);
});

function fileIn(folder: TempDir): string {
  const path = folder.join('secret');
  writeFileSync(path, `${'x'.repeat(40)}\n`, { mode: 0o600 });
  return path;
}
