// Rooms are named after what lives in them.
import { expect, test } from 'vitest';
import { repositoryFiles } from './sources.ts';

const vague = /(^|\/|-)(utils?|helpers?|common|misc|types)(\/|-|\.)/;

test('no file or folder has a name that says nothing', () => {
  expect(repositoryFiles().filter((file) => vague.test(file))).toEqual([]);
});
