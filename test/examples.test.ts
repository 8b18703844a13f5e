// The examples and the programs of the guide run, and print the output in their comments.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { runNode, tempDir } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { read, repositoryFiles, root } from './repo/sources.ts';

const examples = repositoryFiles().filter((file) => /^examples\/[^/]+\.ts$/.test(file));
/** Programs of the guide, each with its heading. */
const programs = [...read('docs/guide.md').matchAll(/^## (.*)\n[^#]*?```ts\n([^`]*)```/gm)].map(
  ([, heading = '', program = '']) => [heading, program] as const,
);

/** The lines that a program promises to print. */
function promisedBy(program: string): string[] {
  return [...program.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, text = '']) => text);
}

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

  test.each(programs)('guide: %s', async (_, program) => {
    await using folder = tempDir('guide');
    const args = ['--conditions=@busbar/source', '--input-type=module-typescript', '--eval', program];
    const env = { ...process.env, MESSAGE_BUS: urlIn(folder), NODE_OPTIONS: '' };
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: root, env });
    expect(stderr).toBe('');
    const promised = promisedBy(program);
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

test('the guide has a program for every part of the bus', () => {
  expect(programs.map(([heading]) => heading)).toEqual([
    ...['First message', 'Requests', 'Events', 'Tasks', 'Schedules', 'Locks', 'Typed messages'],
  ]);
});
