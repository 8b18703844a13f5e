// Options of servers: TLS, passwords, a proxy, settings; and durability.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { needServer, startNats, startRedis } from '@busbar/testbed';
import { jetstreamManager } from '@nats-io/jetstream';
import { nkeyAuthenticator } from '@nats-io/nats-core';
import { createUser } from '@nats-io/nkeys';
import { connect } from '@nats-io/transport-node';
import { beforeEach, describe, expect, test } from 'vitest';

describe.concurrent('redis-server', () => {
  beforeEach(({ skip }) => needServer('redis-server', skip));

  /** Returns the reply to `PING` over the URL, or the error. */
  async function ping(url: string, caFile?: string): Promise<string> {
    const { port, username, password } = new URL(url);
    const address = { host: '127.0.0.1', port: Number(port) };
    const socket = caFile === undefined ? connectTcp(address) : connectTls({ ...address, ca: readFileSync(caFile) });
    try {
      const [user, secret] = [username || 'default', decodeURIComponent(password)];
      if (secret) socket.write(`AUTH ${user} ${JSON.stringify(secret)}\r\n`);
      socket.end('PING\r\n');
      let text = '';
      socket.on('data', (bytes) => (text += bytes));
      await once(socket, 'end');
      return text.replace(/^\+OK\r\n/, '').trim();
    } catch (error) {
      return String(error);
    } finally {
      socket.destroy();
    }
  }

  test('keeps every acknowledged write through SIGKILL, whole values included', async () => {
    await using server = await startRedis();
    await server.call('SET', 'key', 'ä\r\n"$1"');
    await server.call('RPUSH', 'list', 'a', 'b');
    await server.kill();
    await server.start();
    expect(await server.call('GET', 'key')).toBe('ä\r\n"$1"');
    expect(await server.call('LRANGE', 'list', '0', '-1')).toEqual(['a', 'b']);
    expect(await server.call('GET', 'nothing')).toBe(null);
    await expect(server.call('LPOP', 'key')).rejects.toThrow('WRONGTYPE');
  });

  test('given settings override its own', async () => {
    await using server = await startRedis({ config: ['appendfsync everysec', 'maxmemory 100mb'] });
    expect(await server.call('CONFIG', 'GET', 'appendfsync')).toEqual(['appendfsync', 'everysec']);
    expect(await server.call('CONFIG', 'GET', 'appendonly')).toEqual(['appendonly', 'yes']);
    await expect(startRedis({ config: ['no-such-setting yes'] })).rejects.toThrow('no-such-setting');
  });

  test('a used port is detected', async () => {
    await using other = await startRedis();
    await expect(startRedis({ config: [`port ${other.port}`] })).rejects.toThrow('Address already in use');
    expect(await other.call('PING')).toBe('PONG');
  });

  test('accepts clients with the password, and the testbed itself', async () => {
    await using server = await startRedis({ password: 'a "quoted" one/' });
    expect(await ping(server.url)).toBe('+PONG');
    expect(await ping(server.urlAs())).toContain('NOAUTH');
    expect(await server.call('PING')).toBe('PONG');
  });

  test('accepts the given users', async () => {
    await using server = await startRedis({ users: ['agent on >secret ~* &* +@all'] });
    expect(await ping(server.urlAs('agent:secret'))).toBe('+PONG');
    expect(await ping(server.urlAs('agent:wrong'))).toContain('WRONGPASS');
    expect(await ping(server.url)).toContain('NOAUTH');
  });

  test('accepts TLS behind a proxy from clients that trust its authority', async () => {
    await using server = await startRedis({ tls: true, proxy: true });
    const { ca = '', wrongCa = '' } = server.certificates ?? {};
    expect(await ping(server.url, ca)).toBe('+PONG');
    expect(server.url).toBe(`rediss://127.0.0.1:${server.network.port}`);
    expect(await ping(server.url, wrongCa)).toContain('self-signed certificate');
    server.network.block();
    expect(await ping(server.url, ca)).not.toBe('+PONG');
  });
});

describe.concurrent('nats-server', () => {
  beforeEach(({ skip }) => needServer('nats-server', skip));

  /** Returns the name of the server at a URL, or the error. */
  async function greet(url: string, options: Parameters<typeof connect>[0] = {}): Promise<string> {
    try {
      await using connection = await connect({ servers: url, reconnect: false, ...options });
      return connection.info?.server_name ?? '';
    } catch (error) {
      return String(error);
    }
  }

  test('keeps every acknowledged message through SIGKILL', async () => {
    await using server = await startNats();
    await using connection = await connect({ servers: server.url, reconnect: false });
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: 'kept', subjects: ['kept'] });
    await manager.jetstream().publish('kept', 'x');
    await server.kill();
    await server.start();
    expect(await server.monitor('jsz?streams=true')).toMatchObject({ streams: 1, messages: 1 });
  });

  test('a used port is detected', async () => {
    await using other = await startNats();
    const config = [`listen: "127.0.0.1:${other.port}"`];
    await expect(startNats({ config })).rejects.toThrow('address already in use');
  });

  test('accepts clients with the token', async () => {
    await using server = await startNats({ token: 'a-token' });
    const { host } = new URL(server.url);
    expect(await greet(host, { token: 'a-token' })).toBe(`testbed-${server.port}`);
    expect(await greet(host, { token: 'wrong' })).toContain('Authorization');
  });

  test('accepts users with a password or an nkey', async () => {
    const pair = createUser();
    const users = [{ user: 'agent', password: 'secret' }, { nkey: pair.getPublicKey() }];
    await using server = await startNats({ users });
    expect(await greet(server.url, { user: 'agent', pass: 'secret' })).toBe(`testbed-${server.port}`);
    expect(await greet(server.url, { authenticator: nkeyAuthenticator(pair.getSeed()) })).toMatch(/^testbed-/);
    expect(await greet(server.url, { authenticator: nkeyAuthenticator(createUser().getSeed()) })).toContain('Auth');
    expect(await greet(server.url)).toContain('Authorization');
  });

  test('requires TLS with a certificate of its authority', async () => {
    await using server = await startNats({ tls: true });
    const { ca = '', wrongCa = '' } = server.certificates ?? {};
    const { host } = new URL(server.url);
    expect(await greet(host, { tls: { caFile: ca } })).toBe(`testbed-${server.port}`);
    expect(await greet(host, { tls: { caFile: wrongCa } })).not.toMatch(/^testbed/);
  });

  test('accepts settings, also without JetStream', async () => {
    await using server = await startNats({ jetStream: false, config: ['max_payload: 4096'] });
    expect(await server.monitor('varz')).toMatchObject({ max_payload: 4096, jetstream: {} });
  });
});
