// Illegal URLs, options and tokens are refused before anything is opened.
import { BusbarError } from '@busbar/api';
import { describe, expect, test } from 'vitest';
import { AccessTokens } from '../src/hub/access-tokens.ts';
import { hubLink, openUnix, parseUnixUrl, serveHub, type UnixOptions } from '../src/index.ts';

function refusal(work: () => unknown): BusbarError {
  try {
    work();
  } catch (error) {
    if (error instanceof BusbarError) return error;
  }
  throw new Error('it was not refused');
}

describe('a unix: URL', () => {
  test.each([
    ['unix:', /names no file/],
    ['unix:?ns=a', /names no file/],
    ['unix://host/x', /names a host/],
    ['unix:./%zz', /percent-escape/],
    ['unix:./x#y', /not a unix: URL/],
    ['tcp:./x', /not a unix: URL/],
    ['unix:./x?nsx=a', /no parameter "nsx"/],
    ['unix:./x?ns=a&ns=b', /ns is given twice/],
    ['unix:./x?ns=', /ns is illegal/],
    ['unix:./x?ns=a%20b', /ns is illegal/],
    ['unix:./x?agent=', /agent is illegal/],
    ['unix:./x?heartbeatMs=99', /heartbeatMs is illegal/],
    ['unix:./x?heartbeatMs=fast', /heartbeatMs is illegal/],
    ['unix:./x?connectTimeoutMs=-1', /connectTimeoutMs is illegal/],
    ['unix:./x?idleMs=99', /idleMs is illegal/],
    ['unix:./x?idleMs=99999999999', /idleMs is illegal/],
    ['unix:./x?store=', /store is illegal/],
    [`unix:/${'x'.repeat(103)}`, /has 104 bytes, the limit is 103/],
    ['unix:./a%00b', /control characters/],
  ])('%s is refused', (url, why) => {
    const error = refusal(() => parseUnixUrl(url));
    expect([error.code, error.message]).toEqual(['INVALID_ARGUMENT', expect.stringMatching(why)]);
    expect(error.hint).toBeTruthy();
  });

  test('returns the path and the options', () => {
    const url = 'unix:/run/a%20b.sock?ns=team&agent=@a&heartbeatMs=500&store=memory:&idleMs=1000';
    expect(parseUnixUrl(url)).toMatchObject({
      path: '/run/a b.sock',
      ns: 'team',
      agent: '@a',
      heartbeatMs: 500,
      store: 'memory:',
      idleMs: 1_000,
    });
  });
});

describe('options', () => {
  test.each<[unknown, RegExp]>([
    [undefined, /needs options/],
    [{}, /not the path of a socket/],
    [{ path: 5 }, /not the path of a socket/],
    [{ path: '/run/x', colour: 'red' }, /no "colour"/],
    [{ path: '/run/x', ns: 'a b' }, /ns is illegal/],
    [{ path: '/run/x', agent: 'x\n' }, /agent is illegal/],
    [{ path: '/run/x', heartbeatMs: 1.5 }, /heartbeatMs is illegal/],
    [{ path: '/run/x', connectTimeoutMs: 0 }, /connectTimeoutMs is illegal/],
  ])('%j are refused', async (options, why) => {
    await expect(openUnix(options as UnixOptions)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: why });
  });

  test.each(['', 'x', 'sqlite:./x.db', 'http://h', '__proto__:x'])('a hub cannot listen at %j', async (url) => {
    await expect(hubLink(url)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('tokens', () => {
  const anyone = 'a'.repeat(20);
  const one = 'b'.repeat(20);
  const tokens = new AccessTokens([{ token: anyone }, { token: one, agent: '@one' }]);

  test('authorize any agent, or one agent only', () => {
    expect(tokens.authorize(anyone, undefined)).toEqual({ agent: undefined, isLimited: false });
    expect(tokens.authorize(anyone, '@x')).toEqual({ agent: '@x', isLimited: false });
    expect(tokens.authorize(one, undefined)).toEqual({ agent: '@one', isLimited: true });
    expect(tokens.authorize(one, '@one')).toEqual({ agent: '@one', isLimited: true });
    expect(tokens.authorize('c'.repeat(20), undefined, 'c'.repeat(20))).toEqual({ agent: undefined, isLimited: false });
  });

  test.each([
    [undefined, undefined],
    ['', undefined],
    ['a'.repeat(19), undefined],
    ['A'.repeat(20), undefined],
    ['b'.repeat(20), '@x'],
  ])('refuse %j for %j, and do not say it', (token, agent) => {
    const error = refusal(() => tokens.authorize(token, agent));
    expect(error.code).toBe('PERMISSION_DENIED');
    expect(`${error.message} ${error.hint}`).not.toMatch(/aaaa|bbbb|AAAA/);
  });

  test('that are too short are refused', async () => {
    const starting = (async () =>
      serveHub({ store: () => Promise.reject(new Error('no')), links: [], tokens: [{ token: 'x' }] }))();
    await expect(starting).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: /too short/ });
  });
});
