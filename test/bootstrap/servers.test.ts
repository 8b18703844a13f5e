// The servers that tests start are unpacked on Debian, and explained elsewhere; the machine here only pretends.
import { expect, test } from 'vitest';

const { ensureServers, serversOf } = await import(new URL('../../scripts/servers.mjs', import.meta.url).href);

const BOTH = ['redis-server', 'nats-server'];

interface Pretence {
  readonly env?: Record<string, string>;
  readonly isDebian?: boolean;
  readonly isRoot?: boolean;
  readonly hasSystemd?: boolean;
  /** Programs that are there already. */
  readonly present?: readonly string[];
  /** Services that run already. */
  readonly running?: readonly string[];
  /** Commands that fail, by how they begin; each as often as it is named. */
  readonly failing?: readonly string[];
  /** What goes wrong when a package is unpacked. */
  readonly unpacking?: string;
}

/** A machine where unpacking makes a program appear, and installing its service as well. */
function pretend({ present = [], running = [], failing = [], unpacking, ...rest }: Pretence = {}) {
  const programs = new Set(present);
  const services = new Set(running);
  const toFail = [...failing];
  const commands: string[] = [];
  const said: string[] = [];
  const statusOf = (command: string): number => {
    const fails = toFail.findIndex((each) => command.startsWith(each));
    if (fails >= 0) return toFail.splice(fails, 1).length;
    const [, installed] = /apt-get install (.*)/.exec(command) ?? [];
    for (const name of installed?.split(' ') ?? []) {
      programs.add(name);
      services.add(name);
    }
    const [, stopped] = /disable --now (.*)|service (.*) stop/.exec(command)?.filter(Boolean) ?? [];
    if (stopped) services.delete(stopped);
    const [, asked] = /is-active --quiet (.*)|service (.*) status/.exec(command)?.filter(Boolean) ?? [];
    return asked === undefined || services.has(asked) ? 0 : 3;
  };
  const machine = {
    ...{ env: {}, isDebian: true, isRoot: true, hasSystemd: false, ...rest },
    has: (program: string) => programs.has(program),
    unpack: async (program: string) => {
      commands.push(`unpack ${program}`);
      if (unpacking === undefined) programs.add(program);
      return unpacking;
    },
    run: async (command: string[]) => {
      const text = command.join(' ').replace(/env .*--no-install-recommends( -o \S+)+/, 'apt-get');
      commands.push(text);
      return { status: statusOf(text), output: 'E: no such luck' };
    },
    say: (text: string) => void said.push(text),
  };
  return { machine, commands, said, services };
}

/** A machine where packages cannot be unpacked and may be installed. */
const MAY_INSTALL: Pretence = { env: { BUSBAR_INSTALL: '1' }, unpacking: 'no space left' };

test('does nothing where all is there, or where programs are named', async () => {
  for (const pretence of [{ present: BOTH }, { env: { BUSBAR_REDIS_SERVER: '/x', BUSBAR_NATS_SERVER: '' } }]) {
    const { machine, commands, said } = pretend(pretence);
    await ensureServers(BOTH, machine);
    expect([commands, said]).toEqual([[], []]);
  }
});

test('unpacks what is missing, says so first, and installs nothing, also with CI', async () => {
  const { machine, commands, said } = pretend({ present: ['nats-server'], env: { CI: 'true' } });
  await ensureServers(BOTH, machine);
  expect(commands).toEqual(['unpack redis-server']);
  expect(said).toEqual([expect.stringMatching(/^unpacking redis-server [\d.]+ or newer into .*busbar\/servers, /)]);
});

test('installs what cannot be unpacked where that is allowed, and stops the services that this started', async () => {
  for (const env of [{ CI: 'true' }, { BUSBAR_INSTALL: '1' }]) {
    const pretence: Pretence = { ...MAY_INSTALL, env, present: ['nats-server'], running: ['nats-server'] };
    const { machine, commands, services } = pretend(pretence);
    await ensureServers(BOTH, machine);
    expect(commands).toEqual([
      'unpack redis-server',
      'service redis-server status',
      'apt-get install redis-server',
      'service redis-server status',
      'service redis-server stop',
    ]);
    expect([...services]).toEqual(['nats-server']);
  }
});

test('with systemd, services do not come back at the next start of the machine', async () => {
  const { machine, commands, services } = pretend({ ...MAY_INSTALL, hasSystemd: true });
  await ensureServers(BOTH, machine);
  expect(commands.slice(-2)).toEqual(['systemctl disable --now redis-server', 'systemctl disable --now nats-server']);
  expect([...services]).toEqual([]);
});

test('leaves a service alone that ran before', async () => {
  const { machine, commands, services } = pretend({ ...MAY_INSTALL, running: ['redis-server'] });
  await ensureServers(['redis-server'], machine);
  expect(commands.some((command) => command.endsWith('stop'))).toBe(false);
  expect([...services]).toEqual(['redis-server']);
});

test('reads the lists of packages only where it has to', async () => {
  const { machine, commands, said } = pretend({ ...MAY_INSTALL, failing: ['apt-get install'] });
  await ensureServers(['nats-server'], machine);
  expect(commands.filter((command) => command.startsWith('apt-get'))).toEqual([
    'apt-get install nats-server',
    'apt-get update',
    'apt-get install nats-server',
  ]);
  expect(said.join('\n')).not.toContain('NOT TESTED');
});

test('uses sudo only for what needs it', async () => {
  const { machine, commands } = pretend({ ...MAY_INSTALL, isRoot: false });
  await ensureServers(['nats-server'], machine);
  expect(commands).toEqual([
    'unpack nats-server',
    'service nats-server status',
    'sudo -n apt-get install nats-server',
    'service nats-server status',
    'sudo -n service nats-server stop',
  ]);
});

test.each<[string, Pretence, string]>([
  ['unpacking fails', { unpacking: 'no space left' }, 'no space left'],
  ['this is no Debian', { isDebian: false }, 'this is no Debian or Ubuntu'],
  [
    'apt-get fails',
    { ...MAY_INSTALL, failing: ['apt-get install', 'apt-get install'] },
    'apt-get failed: E: no such luck',
  ],
])('says how to get them where %s, and goes on', async (_, pretence, reason) => {
  const { machine, said } = pretend(pretence);
  await ensureServers(BOTH, machine);
  const text = said.join('\n');
  expect(text).toMatch(/redis-server [\d.]+ or newer and nats-server [\d.]+ or newer not found/);
  expect(text).toContain(`(${reason}); what needs them will be NOT TESTED`);
  for (const way of ['apt-get install', 'brew install', 'docker run', 'go install', 'BUSBAR_NATS_SERVER'])
    expect(text).toContain(way);
});

test('two commands at once unpack once', async () => {
  const { machine, commands } = pretend();
  await Promise.all([ensureServers(BOTH, machine), ensureServers(BOTH, machine)]);
  expect(commands).toEqual(['unpack redis-server', 'unpack nats-server']);
});

test('the demonstration needs a server only to kill it, or to move to it', () => {
  const demo = (MESSAGE_BUS: string, ...args: string[]) => serversOf('demo', args, { MESSAGE_BUS });
  expect(demo('redis', '--kill', '--kill-server')).toEqual(['redis-server']);
  expect(demo('nats', '--kill-server')).toEqual(['nats-server']);
  expect(demo('redis', '--kill')).toEqual([]);
  expect(demo('unix', '--kill-server')).toEqual([]);
  expect(demo('sqlite', '--migrate', 'redis')).toEqual(['redis-server']);
  expect(demo('sqlite', 'src', '--migrate=nats', '--kill')).toEqual(['nats-server']);
  expect(demo('sqlite', '--kill', '--migrate', 'redis://host')).toEqual([]);
  expect(serversOf('test', [], {})).toEqual(BOTH);
  expect(serversOf('check', [], {})).toEqual([]);
});
