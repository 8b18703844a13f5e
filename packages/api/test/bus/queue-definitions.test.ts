// Definitions of queues with progress and settings, and definitions in place of names.
import { defineMessage, defineQueue } from '@busbar/api';
import { expect, expectTypeOf, it } from 'vitest';
import { backends, Lab } from '../lab.ts';
import { numberSchema, schemaOf, spelled, stringSchema } from '../schemas.ts';

const count = defineQueue('count', {
  task: spelled,
  result: numberSchema,
  progress: spelled,
  settings: { leaseMs: 60_000, maxAttempts: 2 },
});

it.each(backends)('settings are set before the first task, and once for each bus (%s)', async (backend) => {
  await using lab = await Lab.open(backend);
  const bus = await lab.bus();
  await Promise.all([bus.enqueue(count, '1'), bus.enqueue(count, '2')]);
  expect((await bus.queue(count).info())?.settings).toMatchObject({ leaseMs: 60_000, maxAttempts: 2 });
  await bus.queue(count).configure({ maxAttempts: 7 });
  await bus.enqueueAll(count, ['3']);
  expect((await bus.queue(count).info())?.settings.maxAttempts).toBe(7);
  const other = await lab.bus();
  const tasks = await other.takeTasks(count, { max: 3 });
  expect(tasks.map(({ body }) => body)).toEqual(['1', '2', '3']);
  expect((await bus.queue(count).info())?.settings.maxAttempts).toBe(2);
});

it.each(backends)('progress has the types and the checks of its schema (%s)', async (backend) => {
  await using lab = await Lab.open(backend);
  const bus = await lab.bus();
  const seen = Promise.withResolvers<void>();
  await bus.process(count, async function* ({ body }) {
    expectTypeOf(body).toEqualTypeOf<number>();
    yield '41';
    await seen.promise;
    return body;
  });
  const task = await bus.enqueue(count, '7');
  for await (const progress of task.progress()) {
    expectTypeOf(progress).toEqualTypeOf<number>();
    expect(progress).toBe(41);
    seen.resolve();
  }
  expect(await task.result()).toBe(7);
});

it('progress that does not match its schema is reported, and the task goes on', async () => {
  await using lab = await Lab.open('memory');
  const bus = await lab.bus();
  await bus.process(defineQueue('strict', { progress: numberSchema }), async (_, context) => {
    await context.progress('half');
    return 'done';
  });
  expect(await (await bus.enqueue('strict')).result()).toBe('done');
  expect(lab.errors.map(({ message }) => message)).toEqual([
    'the progress of tasks of strict is not valid: expected a number',
  ]);
});

it('a schedule takes the definition of a message', async () => {
  await using lab = await Lab.open('memory');
  const bus = await lab.bus();
  const note = defineMessage('note', stringSchema);
  const agent = await bus.agent('@a');
  const got = Promise.withResolvers<string>();
  agent.handle(note, async ({ body }) => got.resolve(body));
  await bus.schedules.put('hourly', { everyMs: 3_600_000, to: '@a', type: note, body: 'hello' });
  await bus.schedules.runNow('hourly');
  expect(await got.promise).toBe('hello');
  const wrong = bus.schedules.put('wrong', { everyMs: 3_600_000, to: '@a', type: note, body: 5 as never });
  await expect(wrong).rejects.toThrow('expected a string');
});

it('a schedule sets the settings of its queue', async () => {
  await using lab = await Lab.open('memory');
  const bus = await lab.bus();
  await bus.schedules.put('hourly', { everyMs: 3_600_000, queue: count, body: '1' });
  expect((await bus.queue(count).info())?.settings).toMatchObject({ leaseMs: 60_000, maxAttempts: 2 });
});

it('a Date that arrives as a text is refused, unless the schema takes texts', async () => {
  await using lab = await Lab.open('memory');
  const bus = await lab.bus();
  const dates = defineQueue('dates', { task: schemaOf<Date>('Date', (value) => value instanceof Date) });
  await expect(bus.enqueue(dates, new Date(0))).rejects.toMatchObject({
    message: 'the task of dates, as a receiver gets it, is not valid: expected a Date',
    hint: expect.stringContaining('z.coerce.date()'),
  });
});

it('bad settings are refused with the definition', () => {
  expect(() => defineQueue('a', { settings: { leaseMs: 1 } })).toThrow('leaseMs is illegal');
  const misspelled = () => defineQueue('a', { settings: { lease: 1 } as never });
  expect(misspelled).toThrow('has no "lease"');
  expect(misspelled).toThrow(
    expect.objectContaining({ hint: expect.stringMatching(/^Did you mean leaseMs\? Its keys are /) }),
  );
  expect(() => defineQueue('a', null as never)).toThrow('must be an object');
});
