// Every verb: help, usage, errors, streams, exit codes of bad input.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { VERB_GROUPS } from '../src/cli/verbs.ts';
import { CLI_PAGE, cliPage } from './programs/cli-page.ts';
import { type Ending, shell } from './shell.ts';

const verbs = Object.values(VERB_GROUPS).flatMap((group) => Object.keys(group));
const STACK = /\n\s+at /;

/** One error, one hint, no stack, nothing on stdout. */
function expectRefusal({ code, stdout, stderr }: Ending, exit: number, message: RegExp): void {
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(STACK);
  expect(stderr.match(/^busbar: /gm)).toHaveLength(1);
  expect(stderr.match(/^hint: ./gm)).toHaveLength(1);
  expect(stdout).toBe('');
  expect(code).toBe(exit);
}

describe('help', () => {
  test('goes to stdout on request, and to stderr without a verb', async () => {
    await using sh = shell();
    const asked = await sh.run('--help');
    expect(asked).toMatchObject({ code: 0, stderr: '' });
    for (const verb of verbs) expect(asked.stdout).toContain(`\n  ${verb} `);
    expect(await sh.run('help')).toMatchObject({ code: 0, stdout: asked.stdout });
    expect(await sh.run()).toMatchObject({ code: 2, stdout: '', stderr: asked.stdout });
    for (const line of asked.stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
  });

  test.concurrent.each(verbs)('%s --help begins with what it does, and examples', async (verb) => {
    await using sh = shell();
    const { code, stdout, stderr } = await sh.run(verb, '--help');
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(new RegExp(`^busbar ${verb}: .+`));
    expect(lines[2]).toMatch(/busbar /);
    expect(stdout).toContain(`Usage  busbar ${verb}`);
    for (const line of lines) if (/ /.test(line.trim())) expect(line.length, line).toBeLessThanOrEqual(80);
  });

  test('each action with flags of its own is a known one, and so are its flags', async () => {
    const commands = await Promise.all(
      Object.values(VERB_GROUPS).flatMap((group) => Object.values(group).map(({ load }) => load())),
    );
    for (const { actions = [], flags, flagsOfActions, examples } of commands) {
      if (flagsOfActions === undefined) continue;
      const [line] = examples[0] ?? [];
      expect(Object.keys(flagsOfActions), line).toEqual(expect.arrayContaining([...actions]));
      expect(new Set(Object.values(flagsOfActions).flat()), line).toEqual(new Set(Object.keys(flags)));
    }
  });

  test('has topics', async () => {
    await using sh = shell();
    expect(await sh.out('help', 'send')).toBe(await sh.out('send', '--help'));
    expect(await sh.out('help', 'buses')).toMatch(/sqlite +a file in the project/);
    expect(await sh.out('help', 'exit-codes')).toMatch(/69 +backend unavailable/);
    expect(await sh.out('help', 'environment')).toMatch(/MESSAGE_BUS/);
    expect(await sh.out('help', 'help')).toMatch(/^busbar help: .*topics are buses, exit-codes, environment\./s);
    expectRefusal(await sh.run('help', 'sned'), 2, /unknown verb "sned"/);
    expectRefusal(await sh.run('help', '__proto__'), 2, /unknown verb "__proto__"/);
    expectRefusal(await sh.run('help', 'a', 'b'), 2, /unexpected argument "b"/);
  });

  test('version, --version and -V', async () => {
    await using sh = shell();
    for (const word of ['version', '--version', '-V']) {
      expect(await sh.out(word)).toMatch(/^\d+\.\d+\.\d+$/);
      expect(await sh.json(word)).toEqual([{ version: expect.any(String), node: process.versions.node }]);
    }
    expectRefusal(await sh.run('version', 'x'), 2, /unexpected argument "x"/);
  });

  test('docs/cli.md is what the verbs say: npm run docs:cli writes it', async () => {
    expect(readFileSync(CLI_PAGE, 'utf8')).toBe(await cliPage());
  });
});

describe('a bad command line', () => {
  test.concurrent.each([
    [['sned', '@a', 'x'], /unknown verb "sned"\nhint: Did you mean send\?/],
    [['__proto__'], /unknown verb "__proto__"/],
    [['\u001b[2J'], /unknown verb "\\u001b\[2J"/],
    [['--frobnicate'], /unknown flag "--frobnicate"/],
    [['send'], /TO is missing/],
    [['send', '@a'], /the body is missing/],
    [['send', '@a', 'x', 'y'], /unexpected argument "y"/],
    [['send', '@a', 'x', '--proirity', '1'], /unknown flag "--proirity"\nhint: Did you mean --priority\?/],
    [['send', '@a', 'x', '--priority', 'urgent'], /--priority is illegal: "urgent"/],
    [['send', '@a', 'x', '--priority', '10'], /--priority is illegal: "10"/],
    [['send', '@a', 'x', '--delay', 'soon'], /--delay is not a duration/],
    [['send', '@a', 'x', '--ttl', '0'], /--ttl is out of bounds/],
    [['send', '@a', 'x', '--attempts', '0'], /--attempts is illegal/],
    [['send', '@a', 'x', '--header', 'x'], /--header is not a pair/],
    [['send', '@a', 'x', '--type', ''], /--type is illegal/],
    [['send', '@a', 'x', '--type', 'y'.repeat(256)], /--type is illegal/],
    [['send', '@a', 'x', '--key', 'y'.repeat(241)], /--key is illegal/],
    [['send', '@a', '{"x":'], /starts like JSON but does not parse/],
    [['send', '@a', 'x', '--capability', 'c'], /TO and --capability exclude each other/],
    [['send', '@a', 'x', '--jsonl'], /--jsonl takes no TO/],
    [['send', '@a', 'x', '--timeout', '0'], /--timeout is out of bounds/],
    [['recv'], /no agent is given/],
    [['recv', '@a', '--max', '0'], /--max is illegal/],
    [['recv', '@a', '--max', '1001'], /--max is illegal/],
    [['recv', '@a', '--wait=later'], /--wait is not a duration/],
    [['recv', '@a', '--lease', '13h'], /--lease is out of bounds/],
    [['extend', 'r', '--lease', '1ms'], /--lease is out of bounds/],
    [['register', '@a', '--lease', '13h'], /--lease is out of bounds/],
    [['agents', '--url', 'sqlite:./x.db\r'], /--url has a carriage return at its end\nhint: .*CRLF/],
    [['send', '@a', '-5'], /unknown flag "-5"\nhint: Write -- before/],
    [['recv', '@a', '--ack', 'yes'], /--ack is illegal/],
    [['ack'], /RECEIPT is missing/],
    [['nack', 'r'], /unknown verb "nack"/],
    [['reject', 'r', '--delay', '1s'], /unknown flag "--delay"/],
    [['release', 'r', '--reason', 'x'], /unknown flag "--reason"/],
    [['retry', 'r', '--delay', '5'], /--delay is not a duration/],
    [['retry', 'r', '--reason', 'x'.repeat(4097)], /--reason is illegal/],
    [['extend'], /RECEIPT is missing/],
    [['register'], /no agent is given/],
    [['register', '@a', '--lease', '1ms'], /--lease is out of bounds/],
    [['register', '@a', '--note', 'x'.repeat(1001)], /--note is illegal/],
    [['request', '@a', 'x', '--wait', 'long'], /--wait is not a duration/],
    [['request'], /TO is missing/],
    [['reply'], /ID is missing/],
    [['reply', 'id', 'x'], /no agent is given/],
    [['publish'], /TOPIC is missing/],
    [['tail', 'a', 'b'], /unexpected argument "b"/],
    [['tail', '--from', 'yesterday'], /--from is illegal: "yesterday"/],
    [['tail', '--from', 'start', '--after', 'x'], /--from and --after exclude each other/],
    [['tail', '--raw', '--plain'], /exclude each other/],
    [['tail', '--count', '0'], /--count is illegal/],
    [['task'], /ACTION is missing/],
    [['task', 'ad', 'q'], /unknown action "ad"\nhint: Did you mean add\?/],
    [['task', 'constructor'], /unknown action "constructor"/],
    [['task', 'status'], /ID is missing/],
    [['logs'], /AGENT is missing/],
    [['logs', '@a', '--level', 'loud'], /--level is illegal/],
    [['stats', '--sample', '1'], /--sample is not a duration/],
    [['agents', 'x'], /unexpected argument "x"/],
    [['conformance', 'memory:', '--profile', 'all'], /--profile is illegal/],
    [['conformance', 'memory:', '--only', 'Z99'], /unknown case "Z99"/],
    [['conformance', 'memory:', '--only', 'priorities'], /unknown case "priorities"\nhint: Did you mean Priority\?/],
    [
      ['conformance', 'memory:', '--group', 'De'],
      /unknown group "De"\nhint: It may be Dead letters or Delay or Dedupe/,
    ],
    [['conformance', 'memory:', '--group', 'Priorities'], /unknown group "Priorities"\nhint: Did you mean Priority\?/],
  ])('%j', async (args, message) => {
    await using sh = shell();
    expectRefusal(await sh.run(...args), 2, message);
  });

  test('prints JSON with --json', async () => {
    await using sh = shell();
    const { code, stdout, stderr } = await sh.run('send', '@a', 'x', '--priority', '99', '--json');
    expect(code).toBe(2);
    expect(stdout).toBe('');
    const { error } = JSON.parse(stderr) as { error: Record<string, unknown> };
    expect(error).toEqual({
      code: 'INVALID_ARGUMENT',
      message: '--priority is illegal: "99"',
      hint: 'Use a whole number from 0 to 9.',
    });
  });
});

describe('a bad name of a bus', () => {
  const list = /hint: .*Use one of memory, sqlite/;

  test.concurrent.each([
    ['', /--url is illegal: ""/],
    ['sqlit', /--url names an unknown bus: "sqlit"/],
    ['mysql://h', /--url has the unknown scheme "mysql"/],
    ['./bus.db', /--url is a path/],
    ['sqlite:./x.db?durable=power', /has no parameter "durable"/],
    ['sqlite:./x.db?durability=much', /durability is illegal/],
    ['sqlite:./x.db?ns=a b', /ns is illegal/],
    ['sqlite:./x.db?maxEvents=many', /maxEvents/],
    ['sqlite:%zz', /bad escape/],
    ['memory:?maxLength=0', /maxLength is illegal/],
    [`memory:${'x'.repeat(4096)}`, /--url is illegal/],
  ])('--url %j', async (url, message) => {
    await using sh = shell();
    expectRefusal(await sh.run('agents', `--url=${url}`), 2, message);
  });

  test.concurrent.each([
    ['', /MESSAGE_BUS is empty/],
    ['postgres', /MESSAGE_BUS names an unknown bus: "postgres"/],
    ['natz://user:hunter2@h', /MESSAGE_BUS has the unknown scheme "natz"/],
  ])('MESSAGE_BUS=%j', async (MESSAGE_BUS, message) => {
    await using sh = shell();
    const ending = await sh.use({ args: ['agents'], env: { MESSAGE_BUS } });
    expectRefusal(ending, 2, message);
    expect(ending.stderr).toMatch(list);
    expect(ending.stderr).not.toContain('hunter2');
  });

  test('BUSBAR_AGENT and BUSBAR_TIMEOUT', async () => {
    await using sh = shell();
    expectRefusal(await sh.use({ args: ['recv'], env: { BUSBAR_AGENT: '' } }), 2, /BUSBAR_AGENT is empty/);
    expectRefusal(await sh.use({ args: ['recv'], env: { BUSBAR_AGENT: 'a b' } }), 2, /illegal agent name "a b"/);
    expectRefusal(
      await sh.use({ args: ['agents'], env: { BUSBAR_TIMEOUT: 'x' } }),
      2,
      /BUSBAR_TIMEOUT is not a duration/,
    );
  });

  test('in a config file', async () => {
    await using sh = shell();
    const { writeFileSync } = await import('node:fs');
    writeFileSync(sh.dir.join('busbar.config.json'), '{\n  "bus": "sqlite",\n  "busses": {}\n}');
    expectRefusal(
      await sh.run('agents'),
      2,
      /busbar\.config\.json has the unknown key "busses"\nhint: Did you mean buses\?/,
    );
    writeFileSync(sh.dir.join('busbar.config.json'), '{\n  "bus": "sqlite",\n}');
    expectRefusal(await sh.run('agents'), 2, /busbar\.config\.json:3 is not JSON/);
  });
});
