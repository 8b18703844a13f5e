// Secrets in URLs of buses: what `where`, `doctor` and the title of the process show, also of URLs that are broken.
import { BusbarError } from '@busbar/api';
import { describe, expect, test } from 'vitest';
import { maskArgument, maskBusUrl, maskUrl } from '../src/bus-url.ts';
import { failWith } from '../src/cli/doctor/finding.ts';
import { reportFailure } from '../src/cli/output/failure.ts';
import { shell } from './shell.ts';

/** No part of it may be shown. */
const SECRET = 'S3cr3tK3y';
const encode = encodeURIComponent;

describe('the URL of a bus', () => {
  test.each([
    [`redis:${SECRET}@h`, 'redis:***@h'],
    [`redis://:${SECRET}`, 'redis://***'],
    ['redis://:S3cr3t K3y@h', 'redis://***@h'],
    [`redis://${SECRET}@h:6379/2?ns=x`, 'redis://***@h:6379/2?ns=x'],
    [`redis:/:${SECRET}@h`, 'redis:***@h'],
    [`redis:///:${SECRET}@h`, 'redis://***@h'],
    [`redis//:${SECRET}@h`, '***@h'],
    [`redis;//u:${SECRET}@h`, '***@h'],
    [`REDIS://u:${SECRET}@h`, 'REDIS://***@h'],
    [`Redis:${SECRET}@h`, 'Redis:***@h'],
    [`redis://h:${SECRET}`, 'redis://***'],
    [`redis://h/${SECRET}`, 'redis://***'],
    [`redis://u:${SECRET}@@h`, 'redis://***@h'],
    [`redis://u:S3cr3t@K3y@h:1`, 'redis://***@h:1'],
    [`redis://u:p@h,u:${SECRET}@h2`, 'redis://***@h2'],
    ['redis://:S3cr3t#K3y@h', 'redis://***@h'],
    ['redis://:S3cr3t?K3y@h/1', 'redis://***@h/1'],
    ['redis://u:12?S3cr3tK3y@h', 'redis://***@h'],
    ['redis://u:12/S3cr3tK3y@h', 'redis://***@h'],
    [`redis://u:${SECRET}@h?x=y z`, 'redis://***'],
    [`redis://h?${SECRET}`, 'redis://h?***'],
    [`redis://h?ns=x&password=${SECRET}`, 'redis://h?ns=x&password=***'],
    [`redis://h?p%61ssword=${SECRET}`, 'redis://h?p%61ssword=***'],
    [`redis://h?token=a&${SECRET}&ns=x`, 'redis://h?token=***&***&ns=x'],
    ['redis', 'redis'],
    ['redis:', 'redis:'],
    ['rediss://[::1]:6379,b:1/0', 'rediss://[::1]:6379,b:1/0'],
    [`nats://h?token=${SECRET}`, 'nats://h?token=***'],
    [`nats://a:4222,b?nkey=${SECRET}&creds=/home/u.creds`, 'nats://a:4222,b?nkey=***&creds=/home/u.creds'],
    [`nats:${SECRET}@a:4222,b:4222`, 'nats:***'],
    [`NATS:/${SECRET}@a`, 'NATS:***@a'],
    [`ws://h:1/bus?token=${SECRET}`, 'ws://h:1/bus?token=***'],
    [`ws:./bus.ws?token=${SECRET}`, 'ws:./bus.ws?token=***'],
    [`ws:${SECRET}@h`, 'ws:***@h'],
    [`wss:h?access_token=${SECRET}`, 'wss:***'],
    [`zmq:tcp://127.0.0.1:5555?token=${SECRET}`, 'zmq:tcp://127.0.0.1:5555?token=***'],
    [`zmq:ipc://./bus.zmq?token=${SECRET}`, 'zmq:ipc://./bus.zmq?token=***'],
    [`zmq://t:${SECRET}@h`, 'zmq://***@h'],
    [`unix:./bus.sock?token=${SECRET}`, 'unix:./bus.sock?token=***'],
    [`mysql://u:${SECRET}@h`, 'mysql://***@h'],
    ['sqlite:/a@b/c d.db?ns=x', 'sqlite:/a@b/c d.db?ns=x'],
    ['sqlite:///a@b/c.db', 'sqlite:///a@b/c.db'],
    ['team', 'team'],
    [`migrate:?from=sqlite&to=redis:${SECRET}@h`, 'migrate:?from=sqlite&to=redis:***@h'],
    [
      `hybrid:?fast=${encode(`redis://:${SECRET}`)}&durable=sqlite`,
      `hybrid:?fast=${encode('redis://***')}&durable=sqlite`,
    ],
    [`hybrid:?fast=redis://:a&${SECRET}@h&durable=sqlite`, 'hybrid:?fast=redis://***&***&durable=sqlite'],
    [`hybrid:fast=redis://:${SECRET}@h`, 'hybrid:***'],
    [
      `audit:?of=${encode(`hybrid:?fast=${encode(`redis:${SECRET}@h`)}&durable=sqlite`)}&log=sqlite`,
      `audit:?of=${encode(`hybrid:?fast=${encode('redis:***@h')}&durable=sqlite`)}&log=sqlite`,
    ],
    [`audit:?of=%zz${SECRET}`, 'audit:?of=***'],
    [` redis:${SECRET}@h`, 'redis:***@h'],
  ])('%s is shown as %s', (url, shown) => {
    expect(maskBusUrl(url)).toBe(shown);
    expect(maskArgument(`--url=${url}`)).not.toMatch(/S3cr3t|K3y/);
    expect(maskArgument(url)).not.toMatch(/S3cr3t|K3y/);
  });

  test('is masked in linear time', () => {
    const began = performance.now();
    for (const text of ['redis:@', 'redis://a,', 'audit:?of=', 'x?a=b&', 'redis://:@/?#'])
      maskBusUrl(text.repeat(50_000));
    expect(performance.now() - began).toBeLessThan(1000);
  });
});

test('arguments that are no URL stay as they are', () => {
  for (const text of ['hello: world', '@a', 'a@b.org', '{"to":"@b"}', '--as=@me', 'bus: https'])
    expect(maskArgument(text)).toBe(text);
  expect(maskUrl(`cannot reach redis:${SECRET}@h.`)).toBe('cannot reach redis:***@h.');
});

test('hints show the form of a URL', () => {
  const lines: string[] = [];
  const hint = 'Write redis://[user[:password]@]host[:port].';
  const out = {
    json: false,
    paintError: (_: string, text: string) => text,
    errorLines: (all: string[]) => lines.push(...all),
  };
  const error = Object.assign(new BusbarError('INVALID_ARGUMENT', 'no redis://u:p@h', { hint }));
  reportFailure(error, out as never, {});
  expect(lines).toEqual(['busbar: no redis://***@h', `hint: ${hint}`]);
  expect(failWith('bus', error)).toMatchObject({ detail: expect.stringContaining('no redis://***@h'), hint });
});

test.each(['where', 'doctor'])('`busbar %s` shows no secret of a broken URL', async (verb) => {
  await using project = shell();
  for (const url of [`redis:${SECRET}@127.0.0.1:1`, `redis://:${SECRET}`, 'redis://:S3cr3t K3y@127.0.0.1:1']) {
    const { stdout, stderr } = await project.use({ args: [verb], env: { MESSAGE_BUS: url } });
    expect(`${stdout}${stderr}`).toContain('redis:');
    expect(`${stdout}${stderr}`).not.toMatch(/S3cr3t|K3y/);
  }
});
