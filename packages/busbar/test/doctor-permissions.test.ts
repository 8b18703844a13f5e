// What doctor says to a user who may do less than everything: the agent of the README of the NATS transport.
import { readFileSync } from 'node:fs';
import { needServer, startNats } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { shell } from './shell.ts';

const README = readFileSync(new URL('../../transport-nats/README.md', import.meta.url), 'utf8');
const [, CONFIG = ''] = /## Permissions\n.*?```\n(.*?)```/s.exec(README) ?? [];

test('doctor lists what a user of NATS lacks', async ({ skip }) => {
  needServer('nats-server', skip);
  await using server = await startNats({ config: [CONFIG] });
  await using sh = shell();
  const doctor = (login: string, query: string) =>
    sh.use({ args: ['doctor'], env: { MESSAGE_BUS: `${server.urlAs(login)}?ns=team${query}` } });
  const client = await doctor('client:change-me', '');
  expect(client).toMatchObject({ code: 0, stdout: expect.not.stringContaining('This user may not') });
  const planner = await doctor('planner:change-me-too', '&inboxPrefix=_INBOX_planner');
  expect(planner).toMatchObject({ code: 1, stderr: '' });
  for (const text of [
    'This user may not receive from every queue: it lacks the permission to publish $JS.API.CONSUMER.CREATE',
    'This user may not delete handled messages, dead letters, queues and everything',
    'the server does not permit this user to publish $JS.API.CONSUMER.CREATE.BUSBAR_team_QUEUES.',
    'hint: Add the subject to the publish permissions of the user',
  ]) {
    expect(planner.stdout).toContain(text);
  }
  const noInbox = await doctor('planner:change-me-too', '');
  expect(noInbox).toMatchObject({ code: 1, stdout: expect.stringContaining('to subscribe _INBOX.') });
}, 60_000);
