/** Which backend for what: the backends of Busbar, best first, for the questions of a user. */

import type { Durability } from '../durability.ts';
import { type Figure, show, typical } from '../figures.ts';
import { figureOf, type Measurement } from '../measurement.ts';
import type { ScenarioName } from '../scenarios/scenario-name.ts';

/** A question, and the figure that decides it. */
interface Question {
  readonly question: string;
  readonly scenario: ScenarioName;
  readonly figure: string;
  /** The condition. Undefined: the last one that was measured. */
  readonly at?: string;
  readonly durability?: Durability;
  /** The transports themselves, where the scenario does not measure the Bus. */
  readonly of: 'bus' | 'transport';
}

const BACKENDS = ['sqlite', 'redis', 'nats', 'unix'];
const AT_64 = { scenario: 'queue', at: '64 in flight', of: 'bus' } as const;

const QUESTIONS: readonly Question[] = [
  { question: 'Tasks handled a second', ...AT_64, figure: 'consume+ack', durability: 'process' },
  { question: 'The same, safe from power loss', ...AT_64, figure: 'consume+ack', durability: 'power' },
  { question: 'Least CPU for a task', ...AT_64, figure: 'CPU', durability: 'process' },
  { question: 'Four producers, four consumers', scenario: 'parallel', figure: '4 to 4', of: 'bus' },
  {
    question: 'Highest offered rate that it keeps up with',
    scenario: 'rate',
    figure: 'highest rate kept up with',
    of: 'bus',
  },
  { question: 'A request alone, p50', scenario: 'request', figure: 'p50', of: 'bus' },
  { question: 'Requests with 64 in flight', scenario: 'request', figure: 'with 64 in flight', of: 'bus' },
  { question: 'Events to many subscribers', scenario: 'fanout', figure: 'delivered', of: 'bus' },
  { question: 'Replay of stored events', scenario: 'replay', figure: 'replayed', of: 'transport' },
  { question: 'Wake-up of an idle consumer, p50', scenario: 'wake', figure: 'p50', of: 'transport' },
  { question: 'Hand-over of a lock, p50', scenario: 'lock', figure: 'hand-over p50', of: 'bus' },
  { question: 'Memory of the agents that wait', scenario: 'mailboxes', figure: 'agents above none', of: 'transport' },
];

/** A table in Markdown; only questions that were measured on two backends or more. */
export function renderChoices(measurements: readonly Measurement[]): string {
  const rows = QUESTIONS.flatMap((question) => row(question, measurements) ?? []);
  return ['| question | best | then |', '|---|---|---|', ...rows].join('\n');
}

function row(asked: Question, measurements: readonly Measurement[]): string | undefined {
  const found = BACKENDS.flatMap((name) => {
    const target = asked.of === 'bus' ? `${name}-bus` : name;
    const at = asked.at ?? lastCondition(measurements, { ...asked, target });
    const figure = figureOf(measurements, { ...asked, target, at });
    const value = figure === undefined ? Number.NaN : typical(figure);
    return figure === undefined || !(value > 0) ? [] : [{ name, figure, value }];
  });
  if (found.length < 2) return undefined;
  const sign = found[0]?.figure.better === 'up' ? -1 : 1;
  const [best, ...others] = found
    .sort((a, b) => sign * (a.value - b.value))
    .map(({ name, figure, value }) => `${name} ${shown(figure, value)}`);
  const at = found[0]?.figure.at;
  const condition = asked.at === undefined && at !== undefined ? ` (${at})` : '';
  return `| ${asked.question}${condition} | ${best} | ${others.join(', ')} |`;
}

function shown({ unit }: Figure, value: number): string {
  return `${show(value)}${unit === '/s' ? '' : ' '}${unit}`;
}

/** The condition of the last figure of that name, such as the largest number of subscribers. */
function lastCondition(
  measurements: readonly Measurement[],
  { scenario, figure, target }: Pick<Question, 'scenario' | 'figure'> & { readonly target: string },
): string | undefined {
  const measured = measurements.find((one) => one.scenario === scenario && one.target === target);
  return measured?.figures.findLast(({ name }) => name === figure)?.at;
}
