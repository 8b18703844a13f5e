/** URLs of servers. */

import { expect, test } from 'vitest';
import type { TlsOptions } from '../../src/driver-kit/options/option-kinds.ts';
import * as option from '../../src/driver-kit/options/option-kinds.ts';
import { defineOptions } from '../../src/driver-kit/options/option-table.ts';
import { parseServerAddress, readServerUrl } from '../../src/driver-kit/options/server-url.ts';

interface Options {
  readonly servers?: readonly string[] | undefined;
  readonly tls?: TlsOptions | undefined;
  readonly ns?: string | undefined;
}

const table = defineOptions<Options, Required<Options>>({
  transport: 'X',
  scheme: 'x',
  options: {
    servers: option.custom({ meaning: 'where', default: [], check: (value) => value as readonly string[] }),
    tls: option.tls('files of PEM'),
    ns: option.ns('on one server'),
  },
});
const read = (url: string): unknown =>
  readServerUrl<Options>(url, { plain: 'x', secure: 'xs', form: 'Write x://', table });

test.each([
  ['x:', { login: undefined, path: undefined, options: {} }],
  ['X://h', { login: undefined, path: undefined, options: { servers: ['h'] } }],
  ['x://u:p%40@h:1,[::1]:2/3?ns=a', { login: 'u:p%40', path: '3', options: { servers: ['h:1', '[::1]:2'], ns: 'a' } }],
  ['xs://h?ca=x.pem', { login: undefined, path: undefined, options: { servers: ['h'], tls: { ca: 'x.pem' } } }],
  ['xs://h/', { login: undefined, path: undefined, options: { servers: ['h'], tls: {} } }],
])('%s is read', (url, parts) => expect(read(url)).toEqual(parts));

test.each(['y://h', 'x://h#f', 'x://h?ca=x.pem', 'x://h?no=1', 'x://%/'])('%s is refused', (url) => {
  expect(() => read(url)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
});

test('addresses', () => {
  expect(['h', 'h:1', '[::1]', '[::1]:65535'].map((text) => parseServerAddress(text, 7))).toEqual([
    { host: 'h', port: 7 },
    { host: 'h', port: 1 },
    { host: '::1', port: 7 },
    { host: '::1', port: 65_535 },
  ]);
  for (const bad of ['', 'h:0', 'h:65536', '::1', 'a b', 'u@h', 7, null]) {
    expect(() => parseServerAddress(bad, 7)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  }
});

test.each([
  // Unescaped characters in the password, with and without a user.
  'x://:S3cr3t/K3y@h:1',
  'x://u:S3cr3t/K3y@h:1/0',
  'x://:S3cr3t?K3y@h:1',
  'x://:123?K3y=S3cr3t@h:1',
  'x://:S3cr3t#K3y@h:1',
  'x://:S3cr3t&K3y/@h',
  'x://u:S3cr3t@K3y/2@h',
  'x://u:S3cr3t:K3y/@h',
  'x://u:%S3cr3t%K3y@h/K3y@',
  // No host, a single slash, a port that is the password.
  'x://u:S3cr3tK3y',
  'x://:S3cr3tK3y',
  'x:/u:S3cr3tK3y@h',
  'x:u:S3cr3tK3y@h',
  'x://S3cr3t K3y@h:S3cr3t',
  'x://h:S3cr3tK3y/0',
  'x://[S3cr3tK3y]:1',
  // Secrets in the query.
  'x://h?ns=a@S3cr3t&K3y',
  'x://h?token=S3cr3t&K3y',
  'x://h?S3cr3t+K3y',
  'x://h?S3cr3t%K3y',
  'y://u:S3cr3tK3y@h',
])('no part of a secret is shown for %s', (url) => {
  const error = caught(() => {
    const { options } = read(url) as { options: Options };
    for (const server of options.servers ?? []) parseServerAddress(server, 1);
    throw new Error('the URL is legal');
  });
  expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', hint: expect.any(String) });
  expect(`${error.stack} ${JSON.stringify(error)}`).not.toMatch(/S3cr3t|K3y/i);
});

test('an unknown parameter is named unless it may be the rest of a secret', () => {
  expect(caught(() => read('x://h?nx=a')).message).toContain('"nx"');
});

function caught(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not throw');
}
