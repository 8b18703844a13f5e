// Files and folders are named after their content.
import { expect, test } from 'vitest';
import { repositoryFiles } from './sources.ts';

const vague = /(^|\/|-)(utils?|helpers?|common|misc|types)(\/|-|\.)/;

test('no file or folder has a vague name', () => {
  expect(repositoryFiles().filter((file) => vague.test(file))).toEqual([]);
});
