// The examples run, and print the output in their comments.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { runNode, tempDir } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { promisedBy } from './guide.ts';
import { read, repositoryFiles, root } from './repo/sources.ts';

const examples = repositoryFiles().filter((file) => /^examples\/[^/]+\.ts$/.test(file));

describe.each(['memory', 'sqlite'])('on %s', (bus) => {
  const urlIn = (folder: { join(name: string): string }): string =>
    bus === 'sqlite' ? `sqlite:${folder.join('bus.db')}` : bus;

  test.each(examples)('%s', async (example) => {
    await using folder = tempDir('example');
    const env = { MESSAGE_BUS: urlIn(folder) };
    const { code, stdout, stderr } = await runNode({ file: `${root}/${example}`, cwd: folder.path, env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const promised = promisedBy(read(example));
    expect(promised.length).toBeGreaterThan(0);
    expect(stdout.split('\n').filter((line) => promised.includes(line))).toEqual(promised);
  });
});

test('examples/testing/welcome.node-test.ts passes with the test runner of Node', async () => {
  const args = [
    '--conditions=@busbar/source',
    '--test',
    '--test-reporter=tap',
    'examples/testing/welcome.node-test.ts',
  ];
  const env = { ...process.env, NODE_OPTIONS: '' };
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, env });
  expect(stdout).toContain('\n# pass 2\n# fail 0\n');
});
