// The examples run and print the output in their comments.
import { runNode, tempDir } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { read, repositoryFiles, root } from './repo/sources.ts';

const examples = repositoryFiles().filter((file) => /^examples\/[^/]+\.ts$/.test(file));

describe.each(['memory', 'sqlite'])('on %s', (bus) => {
  test.each(examples)('%s', async (example) => {
    await using folder = tempDir('example');
    const env = { MESSAGE_BUS: bus === 'sqlite' ? `sqlite:${folder.join('bus.db')}` : bus };
    const { code, stdout, stderr } = await runNode({ file: `${root}/${example}`, cwd: folder.path, env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const promised = [...read(example).matchAll(/^\s*console\.log\(.*\); \/\/ (.*)$/gm)].map(([, text = '']) => text);
    const printed = stdout.split('\n');
    expect(promised.length).toBeGreaterThan(0);
    expect(printed.filter((line) => promised.includes(line))).toEqual(promised);
  });
});
