// The buses on which each verb is tested: SQLite, and in `npm run test:full` Redis.
import { needServer, type RedisServer, startRedis } from '@busbar/testbed';
import { type Bus, connect } from 'busbar';
import { afterAll, beforeAll, beforeEach, describe } from 'vitest';
import { type Shell, shell } from './shell.ts';

/** A project whose commands use one bus, and that bus. */
export interface Project extends Shell {
  readonly bus: Bus;
  readonly url: string;
}

const isFull = process.env['BUSBAR_FULL'] === '1';

/** Runs tests on SQLite, and on Redis in full runs. `open` makes a project with an empty bus. */
export function onEachBus(tests: (open: () => Promise<Project>) => void): void {
  describe('on sqlite', () => {
    tests(() => openProject((dir) => `sqlite:${dir}/bus.db`));
  });
  describe.runIf(isFull)('on redis', () => {
    let server: RedisServer | undefined;
    let count = 0;
    beforeEach(({ skip }) => needServer('redis-server', skip));
    beforeAll(async () => {
      server = await startRedis().catch(() => undefined);
    });
    afterAll(() => server?.[Symbol.asyncDispose]());
    tests(() => {
      count += 1;
      return openProject(() => `${server?.url}?ns=t${count}`);
    });
  });
}

async function openProject(urlIn: (dir: string) => string): Promise<Project> {
  // The variable is read at each start of a command.
  const env: { MESSAGE_BUS?: string } = {};
  const project = shell(env);
  env.MESSAGE_BUS = urlIn(project.dir.path);
  const bus = await connect(env.MESSAGE_BUS, { onError: () => undefined });
  return {
    ...project,
    bus,
    url: env.MESSAGE_BUS,
    [Symbol.asyncDispose]: async () => {
      await bus.close({ drainMs: 0 });
      await project[Symbol.asyncDispose]();
    },
  };
}
