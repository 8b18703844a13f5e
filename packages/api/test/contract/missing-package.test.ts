// What a failed import of a package on demand says.
import { missingPackage } from '@busbar/api/transport';
import { expect, test } from 'vitest';

const refused = async (error: Error): Promise<unknown> => {
  const refuse = missingPackage('@busbar/transport-redis');
  return Promise.reject(error)
    .catch(refuse)
    .catch((thrown: unknown) => thrown);
};

test('the package, or what it needs, with the command that installs it', async () => {
  const missing = (name: string): Error =>
    Object.assign(new Error(`Cannot find package '${name}' imported from x.js`), { code: 'ERR_MODULE_NOT_FOUND' });
  for (const name of ['@busbar/transport-redis', 'ioredis']) {
    expect(await refused(missing(name))).toMatchObject({ code: 'UNAVAILABLE', hint: `npm install ${name}` });
  }
});

test('a bundle of esbuild without require', async () => {
  const error = new Error('Dynamic require of "events" is not supported');
  expect(await refused(error)).toMatchObject({
    code: 'UNSUPPORTED',
    message: expect.stringContaining('cannot load @busbar/transport-redis'),
    hint: expect.stringMatching(/In a bundle.*README of busbar/),
  });
});

test('any other error stays as it is', async () => {
  const error = new SyntaxError('Unexpected token');
  expect(await refused(error)).toBe(error);
});
